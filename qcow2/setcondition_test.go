// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2/check"
	"zqublkd/qcow2/format"
	"zqublkd/qcow2/qcow2test"
)

func zonedMem(t *testing.T, o CreateOptions) *storagetest.Mem {
	m := new(storagetest.Mem)
	create(t, m, o)
	return m
}

var sixteenZones = CreateOptions{Size: 16 << 20, Zone: &ZoneOptions{Size: 1 << 20, Conventional: 2}}

func TestSetZoneConditions(t *testing.T) {
	m := zonedMem(t, sixteenZones)
	i := reopen(t, m)
	before := i.Header().Extensions
	for _, step := range []struct {
		set  []format.ConditionRun
		want []format.ConditionRun
	}{
		{[]format.ConditionRun{{First: 3, Zones: 1, Condition: format.ZoneOffline}}, []format.ConditionRun{{First: 3, Zones: 1, Condition: format.ZoneOffline}}},
		{[]format.ConditionRun{{First: 15, Zones: 1, Condition: format.ZoneReadOnly}, {First: 2, Zones: 4, Condition: format.ZoneReadOnly}}, []format.ConditionRun{{First: 2, Zones: 4, Condition: format.ZoneReadOnly}, {First: 15, Zones: 1, Condition: format.ZoneReadOnly}}},
		{[]format.ConditionRun{{First: 4, Zones: 1, Condition: format.ZoneNormal}}, []format.ConditionRun{{First: 2, Zones: 2, Condition: format.ZoneReadOnly}, {First: 5, Zones: 1, Condition: format.ZoneReadOnly}, {First: 15, Zones: 1, Condition: format.ZoneReadOnly}}},
		{[]format.ConditionRun{{First: 2, Zones: 14, Condition: format.ZoneNormal}}, nil},
	} {
		if err := i.SetZoneConditions(step.set...); err != nil {
			t.Fatal(err)
		}
		for _, img := range []*Image{i, reopen(t, m)} {
			if diff := cmp.Diff(step.want, img.ZoneConditions()); diff != "" {
				t.Errorf("%v: %s", step.set, diff)
			}
		}
		if r := qcow2test.MustCheck(t, m, check.Options{}); !r.Clean() || len(r.Findings) > 0 {
			t.Error(qcow2test.Text(r))
		}
	}
	if diff := cmp.Diff(before, reopen(t, m).Header().Extensions); diff != "" {
		t.Errorf("the header is not what it was: %s", diff)
	}
}

// What is so already costs nothing.
func TestSetZoneConditionsTwice(t *testing.T) {
	m := zonedMem(t, sixteenZones)
	if err := reopen(t, m).SetZoneConditions(format.ConditionRun{First: 3, Zones: 2, Condition: format.ZoneOffline}); err != nil {
		t.Fatal(err)
	}
	rec := storagetest.NewRecorder(m)
	i := reopen(t, rec)
	before := rec.Len()
	if err := i.SetZoneConditions(format.ConditionRun{First: 4, Zones: 1, Condition: format.ZoneOffline}, format.ConditionRun{First: 9, Zones: 1, Condition: format.ZoneNormal}); err != nil || rec.Len() != before {
		t.Errorf("%d operations on the file, %v", rec.Len()-before, err)
	}
}

func TestSetZoneConditionsRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		o    CreateOptions
		run  format.ConditionRun
		is   error
		says string
	}{
		{"conventional", sixteenZones, format.ConditionRun{First: 1, Zones: 2, Condition: format.ZoneOffline}, format.ErrOption, "zone=1-2: conventional zones are neither read-only nor offline; the sequential ones are 2-15"},
		{"outside", sixteenZones, format.ConditionRun{First: 16, Zones: 1, Condition: format.ZoneOffline}, format.ErrOption, "zone=16: the image has zones 0 to 15"},
		{"partly outside", sixteenZones, format.ConditionRun{First: 15, Zones: 2, Condition: format.ZoneOffline}, format.ErrOption, "zone=15-16:"},
		{"far outside", sixteenZones, format.ConditionRun{First: 1<<32 - 1, Zones: 1<<32 - 1, Condition: format.ZoneOffline}, format.ErrOption, "zones 0 to 15"},
		{"none", sixteenZones, format.ConditionRun{First: 3, Zones: 0, Condition: format.ZoneOffline}, format.ErrOption, "zones 0 to 15"},
		{"plain", CreateOptions{Size: 1 << 20}, format.ConditionRun{First: 0, Zones: 1, Condition: format.ZoneOffline}, format.ErrOption, "no zones"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rec := storagetest.NewRecorder(zonedMem(t, c.o))
			i := reopen(t, rec)
			before := rec.Len()
			mustSay(t, i.SetZoneConditions(format.ConditionRun{First: 5, Zones: 0, Condition: format.ZoneNormal}, c.run), c.is, "")
			mustSay(t, i.SetZoneConditions(c.run), c.is, c.says)
			if rec.Len() != before || len(i.ZoneConditions()) > 0 {
				t.Errorf("%d operations on the file, conditions %v", rec.Len()-before, i.ZoneConditions())
			}
		})
	}
}

func TestSetZoneConditionsReadOnly(t *testing.T) {
	i, err := Open(zonedMem(t, sixteenZones), OpenOptions{ReadOnly: true})
	if err == nil {
		err = i.SetZoneConditions(format.ConditionRun{First: 5, Zones: 1, Condition: format.ZoneOffline})
	}
	if !errors.Is(err, ErrReadOnly) {
		t.Error(err)
	}
}

// Every other zone: a header of 512 bytes has room for a few such runs, and
// says so when it has not; what was set stays.
func TestSetZoneConditionsNoRoom(t *testing.T) {
	m := zonedMem(t, CreateOptions{Size: 1 << 20, ClusterSize: 512, Zone: &ZoneOptions{Size: 1 << 14}})
	i := reopen(t, m)
	for n := uint32(0); ; n++ {
		err := i.SetZoneConditions(format.ConditionRun{First: 2 * n, Zones: 1, Condition: format.ZoneOffline})
		if err == nil {
			continue
		}
		mustSay(t, err, format.ErrUnsupported, "in a cluster of 512")
		if n < 4 || len(reopen(t, m).ZoneConditions()) != int(n) {
			t.Errorf("no room for run %d; %v are there", n, reopen(t, m).ZoneConditions())
		}
		return
	}
}

// The worst case of a disk that can be served fits into a usual header nearly:
// every fourth of 16384 zones does.
func TestSetZoneConditionsMany(t *testing.T) {
	m := zonedMem(t, CreateOptions{Size: 16384 << 20, Zone: &ZoneOptions{Size: 1 << 20}})
	var runs []format.ConditionRun
	for n := uint32(0); n < 16384; n += 8 {
		runs = append(runs, format.ConditionRun{First: n, Zones: 1, Condition: format.ZoneOffline})
	}
	if err := reopen(t, m).SetZoneConditions(runs...); err != nil {
		t.Fatal(err)
	}
	if n := len(reopen(t, m).ZoneConditions()); n != len(runs) {
		t.Errorf("%d runs", n)
	}
}

// Whatever a crash leaves of a change, the image has the old conditions or the
// new ones, everything else as it was, and takes the next change.
func TestSetZoneConditionsCrash(t *testing.T) {
	long := []format.ConditionRun{}
	for n := uint32(2); n < 200; n += 2 {
		long = append(long, format.ConditionRun{First: n, Zones: 1, Condition: format.ZoneReadOnly})
	}
	one := []format.ConditionRun{{First: 100, Zones: 1, Condition: format.ZoneOffline}}
	for _, c := range []struct {
		name          string
		before, after []format.ConditionRun
	}{
		{"first", nil, one},
		{"longer", one, long},
		{"shorter", long, []format.ConditionRun{{First: 0, Zones: 256, Condition: format.ZoneNormal}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := zonedMem(t, CreateOptions{Size: 256 << 20, Zone: &ZoneOptions{Size: 1 << 20}})
			i := reopen(t, m)
			if err := i.SetZoneConditions(c.before...); err != nil {
				t.Fatal(err)
			}
			old := i.ZoneConditions()
			rec := storagetest.NewRecorder(m)
			i = reopen(t, rec)
			start := rec.Len()
			if err := i.SetZoneConditions(c.after...); err != nil {
				t.Fatal(err)
			}
			seen := map[bool]int{}
			for n := start; n <= rec.Len(); n++ {
				for seed := range uint64(15) {
					seen[crashed(t, rec.Crash(n, storagetest.Shuffled(seed)), old, i.ZoneConditions())]++
				}
			}
			if seen[false] == 0 || seen[true] == 0 {
				t.Errorf("crashes left the old and the new: %v", seen)
			}
			if got := crashed(t, rec.Crash(rec.Len(), storagetest.None), old, i.ZoneConditions()); !got {
				t.Error("what was answered did not survive")
			}
		})
	}
}

// crashed says whether an image has the new conditions, not the old ones.
func crashed(t *testing.T, m *storagetest.Mem, old, new []format.ConditionRun) bool {
	t.Helper()
	if r := qcow2test.MustCheck(t, m, check.Options{}); !r.Clean() {
		t.Fatal(qcow2test.Text(r))
	}
	i := reopen(t, m)
	if i.Zoned() == nil || i.LogicalBlockSize() != DefaultZonedLogicalBlockSize || i.Header().FeatureNames() == nil {
		t.Fatalf("lost more than conditions: %+v", i.Header())
	}
	now := fmt.Sprint(i.ZoneConditions())
	if now != fmt.Sprint(old) && now != fmt.Sprint(new) {
		t.Fatalf("neither old nor new: %s", now)
	}
	again := format.ConditionRun{First: 77, Zones: 1, Condition: format.ZoneOffline}
	if err := i.SetZoneConditions(again); err != nil || reopen(t, m).private.Conditions.At(77) != format.ZoneOffline {
		t.Fatalf("the next change: %v", err)
	}
	for _, e := range reopen(t, m).Header().Extensions {
		if e.Type == format.ExtVoid {
			t.Fatal("the next change left a void extension")
		}
	}
	return now == fmt.Sprint(new)
}

// A failing disk fails the call, and nothing is said to be so that is not.
func TestSetZoneConditionsFails(t *testing.T) {
	for n := 1; n <= 10; n++ {
		rec := storagetest.NewRecorder(zonedMem(t, sixteenZones))
		i := reopen(t, rec)
		rec.Inject(storagetest.Fault{Kind: storagetest.OpAny, Nth: n, Err: errors.New("no luck")})
		if err := i.SetZoneConditions(format.ConditionRun{First: 3, Zones: 1, Condition: format.ZoneOffline}); err == nil || len(i.ZoneConditions()) > 0 {
			t.Errorf("operation %d failed: %v, %v", n, err, i.ZoneConditions())
		}
	}
}

// An image whose header speaks of zones it does not have is not opened but to
// look at it, and check says why.
func TestConditionsThatDoNotFit(t *testing.T) {
	for _, c := range []struct {
		name string
		o    CreateOptions
		list format.ConditionList
		says string
	}{
		{"too many", sixteenZones, format.ConditionList{{First: 15, Zones: 2, Condition: format.ZoneOffline}}, "conditions of zones 15-16, and there are 16"},
		{"conventional", sixteenZones, format.ConditionList{{First: 1, Zones: 1, Condition: format.ZoneOffline}}, "makes zones 1 offline, and the first 2 are conventional"},
		{"plain", CreateOptions{Size: 1 << 20}, format.ConditionList{{First: 0, Zones: 1, Condition: format.ZoneOffline}}, "the image has no zones"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := zonedMem(t, c.o)
			i := reopen(t, m)
			if err := i.replaceExtension(format.Extension{Type: format.ExtPrivate, Data: (&format.PrivateExtension{Conditions: c.list}).Encode()}); err != nil {
				t.Fatal(err)
			}
			_, err := Open(m, OpenOptions{ReadOnly: true})
			mustSay(t, err, format.ErrCorrupt, c.says)
			if i, err = Open(m, OpenOptions{Lenient: true}); err != nil || len(i.ZoneConditions()) > 0 || len(i.Obstacles()) == 0 {
				t.Errorf("lenient: %v, %v", i.ZoneConditions(), err)
			}
			if r := qcow2test.MustCheck(t, m, check.Options{}); r.Corruptions != 1 {
				t.Error(qcow2test.Text(r))
			}
		})
	}
}
