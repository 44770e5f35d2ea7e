// SPDX-License-Identifier: Apache-2.0

package storagetest

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"zqublkd/internal/storage"
)

func sectors(c string, n int) string { return strings.Repeat(c, n*storage.SectorBytes) }

// story: base, write a, sync, write b, truncate, punch.
func story(t *testing.T) *Recorder {
	t.Helper()
	r := NewRecorder(NewMem([]byte(sectors(".", 4))))
	mustWrite(t, r, sectors("a", 2), 0)
	for _, err := range []error{r.Datasync(), write(r, sectors("b", 2), storage.SectorBytes), r.Truncate(6 * storage.SectorBytes), r.PunchHole(0, storage.SectorBytes)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func write(f storage.File, p string, off int64) error {
	_, err := f.WriteAt([]byte(p), off)
	return err
}

// short writes one letter per sector, 0 for zeros.
func short(m *Mem) string {
	var b strings.Builder
	for p := m.Bytes(); len(p) > 0; p = p[storage.SectorBytes:] {
		c := p[0]
		if c == 0 {
			c = '0'
		}
		b.WriteByte(c)
	}
	return b.String()
}

func TestCrash(t *testing.T) {
	only := func(op int) Survives { return func(o, _ int) bool { return o == op } }
	cases := []struct {
		name     string
		n        int
		survives Survives
		want     string
	}{
		{"before everything", 0, All, "...."},
		{"unsynced lost", 1, None, "...."},
		{"unsynced there", 1, All, "aa.."},
		{"synced always there", 2, None, "aa.."},
		{"all there", 5, All, "0bb.00"},
		{"all unsynced lost", 5, None, "aa.."},
		{"only the write", 5, only(2), "abb."},
		{"only the truncate", 5, only(3), "aa..00"},
		{"only the punch", 5, only(4), "0a.."},
		{"torn write", 5, TornAt(2, 1), "0b..00"},
		{"only a part of the write", 5, TornOff(2, 1), "ab.."},
		{"write and punch", 5, Only([]int{2, 3, 4}, 0b101), "0bb."},
		{"count above all", 99, All, "0bb.00"},
		{"count below all", -1, All, "...."},
	}
	r := story(t)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := short(r.Crash(c.n, c.survives)); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
	if got := short(r.file); got != "0bb.00" {
		t.Errorf("crashing changed the file: %s", got)
	}
}

func TestPending(t *testing.T) {
	r := story(t)
	for n, want := range [][]int{nil, {0}, nil, {2}, {2, 3}, {2, 3, 4}} {
		if diff := cmp.Diff(want, r.Pending(n)); diff != "" {
			t.Errorf("after %d operations: %s", n, diff)
		}
	}
	if n, m := r.Sectors(0), r.Sectors(1); n != 2 || m != 1 {
		t.Errorf("the write has %d sectors, the sync %d", n, m)
	}
}

func TestPause(t *testing.T) {
	r := NewRecorder(new(Mem))
	var seen []string
	r.Pause(func(k OpKind) {
		seen = append(seen, k.String())
		if r.Len() != len(seen) {
			t.Errorf("%v paused before it was recorded", k)
		}
	})
	mustWrite(t, r, "a", 0)
	r.Datasync()
	r.PunchHole(0, 1)
	r.Truncate(9)
	if diff := cmp.Diff([]string{"write", "sync", "punch", "truncate"}, seen); diff != "" {
		t.Error(diff)
	}
}

func TestCrashTearsAtFileSectors(t *testing.T) {
	r := NewRecorder(NewMem([]byte(sectors(".", 2))))
	mustWrite(t, r, "xxxx", storage.SectorBytes-2)
	got := r.Crash(1, TornAt(0, 1)).Bytes()
	if want := "..xx...."; string(got[storage.SectorBytes-4:storage.SectorBytes+4]) != want {
		t.Errorf("%q, want %q", got[storage.SectorBytes-4:storage.SectorBytes+4], want)
	}
}

func TestFaults(t *testing.T) {
	r := NewRecorder(new(Mem))
	r.Inject(Fault{Kind: OpWrite, Nth: 2, Err: unix.ENOSPC, Moved: 3})
	r.Inject(Fault{Kind: OpRead, Nth: 1, Err: unix.EIO})
	r.Inject(Fault{Kind: OpPunch, Nth: 1, Err: storage.ErrNotSupported, Stuck: true})
	mustWrite(t, r, "first", 0)
	if n, err := r.WriteAt([]byte("second"), 10); n != 3 || err != unix.ENOSPC {
		t.Errorf("second write: %d, %v", n, err)
	}
	mustWrite(t, r, "third", 20)
	if _, err := r.ReadAt(make([]byte, 1), 0); err != unix.EIO {
		t.Errorf("read: %v", err)
	}
	mustRead(t, r, 0, "first\x00\x00\x00\x00\x00sec")
	for range 2 {
		if err := r.PunchHole(0, 5); !errors.Is(err, storage.ErrNotSupported) {
			t.Errorf("punch: %v", err)
		}
	}
	r.Heal()
	if err := r.PunchHole(0, 5); err != nil {
		t.Error(err)
	}
	want := []Op{
		{Kind: OpWrite, Data: []byte("first")},
		{Kind: OpWrite, Off: 10, Data: []byte("sec")},
		{Kind: OpWrite, Off: 20, Data: []byte("third")},
		{Kind: OpPunch, Len: 5},
	}
	if diff := cmp.Diff(want, r.Ops()); diff != "" {
		t.Error(diff)
	}
}

func TestFaultOfAnyKind(t *testing.T) {
	r := NewRecorder(new(Mem))
	r.Inject(Fault{Nth: 3, Err: unix.EIO, Stuck: true})
	got := []error{write(r, "x", 0), r.Datasync(), r.Truncate(0), write(r, "y", 0), r.Datasync()}
	want := []error{nil, nil, unix.EIO, unix.EIO, unix.EIO}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("call %d: %v, want %v", i+1, got[i], want[i])
		}
	}
}

// TestCrashProperties: whatever is done, a crash that loses nothing is the
// file itself, one that loses all is the file at the last sync, and no
// sector holds bytes that were never in that sector.
func TestCrashProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := NewRecorder(new(Mem))
		synced := new(Mem)
		seen := map[byte]bool{0: true}
		for i := range rapid.IntRange(0, 30).Draw(t, "ops") {
			off := rapid.Int64Range(0, 8*storage.SectorBytes).Draw(t, "off")
			n := rapid.IntRange(1, 3*storage.SectorBytes).Draw(t, "len")
			switch rapid.IntRange(0, 5).Draw(t, "kind") {
			case 0:
				r.Datasync()
				synced = r.file.Clone()
			case 1:
				r.PunchHole(off, int64(n))
			case 2:
				r.Truncate(off)
			default:
				seen[byte(i+1)] = true
				r.WriteAt(bytes.Repeat([]byte{byte(i + 1)}, n), off)
			}
		}
		if !bytes.Equal(r.Crash(r.Len(), All).Bytes(), r.file.Bytes()) {
			t.Error("losing nothing differs from the file")
		}
		if !bytes.Equal(r.Crash(r.Len(), None).Bytes(), synced.Bytes()) {
			t.Error("losing all differs from the last sync")
		}
		seed := rapid.Uint64().Draw(t, "seed")
		a, b := r.Crash(r.Len(), Shuffled(seed)).Bytes(), r.Crash(r.Len(), Shuffled(seed)).Bytes()
		if !bytes.Equal(a, b) {
			t.Error("one seed, two states")
		}
		for _, c := range a {
			if !seen[c] {
				t.Errorf("byte %d from nowhere", c)
			}
		}
	})
}

func TestShuffledVisitsAllFates(t *testing.T) {
	r := NewRecorder(new(Mem))
	mustWrite(t, r, sectors("x", 4), 0)
	states := map[string]bool{}
	for seed := range uint64(200) {
		states[short(r.Crash(1, Shuffled(seed)))] = true
	}
	for _, want := range []string{"", "xxxx", "x", "0x", "x0x", "0xxx"} {
		if !states[want] {
			t.Errorf("state %q never seen among %d", want, len(states))
		}
	}
}

func TestCloneIsIndependent(t *testing.T) {
	m := NewMem([]byte("abc"))
	c := m.Clone()
	mustWrite(t, m, "X", 0)
	mustRead(t, c, 0, "abc")
}

func TestSplit(t *testing.T) {
	r := NewRecorder(new(Mem))
	r.Split(func(n int) int { return n / 2 })
	r.Pause(func(OpKind) {
		if r.Len() == 1 {
			mustWrite(t, r, "xx", 3)
		}
	})
	if n, err := r.WriteAt([]byte("abcdef"), 0); n != 6 || err != nil {
		t.Fatal(n, err)
	}
	mustRead(t, r, 0, "abcdef")
	if got := string(r.Crash(3, All).Bytes()); got != "abcxx" {
		t.Errorf("%q: nothing overtook the second half", got)
	}
}

func TestRoom(t *testing.T) {
	page := strings.Repeat("x", memPage)
	r := NewRecorder(NewMem([]byte(page + page + page)))
	r.Room(2, false)
	mustWrite(t, r, "1", 5)
	mustWrite(t, r, "2", 9) // the same page
	if n, err := r.WriteAt([]byte(page+page), memPage); n != memPage || err != unix.ENOSPC {
		t.Errorf("two pages, room for one: %d, %v", n, err)
	}
	if err := r.PunchHole(0, memPage); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, r, "3", 2*memPage)
	r.Room(0, true)
	mustWrite(t, r, "4", 0)
	if err := r.Datasync(); err != unix.EIO {
		t.Errorf("sync of what there was no room for: %v", err)
	}
	if err := r.Datasync(); err != nil {
		t.Errorf("the next sync: %v", err)
	}
	r.Room(-1, false)
	mustWrite(t, r, page+page, 0)
}
