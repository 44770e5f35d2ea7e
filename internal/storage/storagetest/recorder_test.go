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

// What waits at a failed sync stays pending for good.
func TestPendingAfterFailedSync(t *testing.T) {
	r := NewRecorder(new(Mem))
	mustWrite(t, r, "a", 0)
	r.Inject(Fault{Kind: OpSync, Nth: 1, Err: unix.EIO})
	r.Datasync()
	mustWrite(t, r, "b", 0)
	r.Datasync()
	if diff := cmp.Diff([]int{0}, r.Pending(r.Len())); diff != "" {
		t.Error(diff)
	}
	if n := r.Calls(OpSync); n != 2 {
		t.Errorf("%d syncs counted", n)
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

func TestFailedSyncCoversNothingLater(t *testing.T) {
	r := NewRecorder(new(Mem))
	r.Inject(Fault{Kind: OpSync, Nth: 1, Err: unix.EIO})
	mustWrite(t, r, sectors("a", 1), 0)
	if err := r.Datasync(); err != unix.EIO {
		t.Fatalf("sync: %v", err)
	}
	mustWrite(t, r, sectors("b", 1), storage.SectorBytes)
	if err := r.Datasync(); err != nil {
		t.Fatal(err)
	}
	if got := short(r.Crash(r.Len(), None)); got != "0b" {
		t.Errorf("%s, want 0b: what waited at the failed sync may be lost", got)
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

// After a failed sync, reads show what was written, the disk has what it got, and
// later syncs change nothing about that. Settle makes reads show the disk.
func TestC02_SettleShowsTheDisk(t *testing.T) {
	r := NewRecorder(NewMem([]byte(sectors(".", 4))))
	mustWrite(t, r, sectors("a", 2), 0)
	r.Inject(Fault{Kind: OpSync, Nth: 1, Err: unix.EIO})
	if err := r.Datasync(); err != unix.EIO {
		t.Fatal(err)
	}
	mustWrite(t, r, sectors("b", 1), 3*storage.SectorBytes)
	if err := r.Datasync(); err != nil {
		t.Fatal(err)
	}
	mustRead(t, r, 0, sectors("a", 2)+"."+sectors(".", 1)[1:]+sectors("b", 1))
	r.Lose(TornOff(0, 1))
	if err := r.Settle(); err != nil {
		t.Fatal(err)
	}
	if got := short(r.file); got != "a..b" {
		t.Errorf("settled: %s, want a..b", got)
	}
	n := r.Len()
	mustWrite(t, r, sectors("c", 1), 0)
	for _, c := range []struct {
		n        int
		survives Survives
		want     string
	}{{n - 1, All, "aa.b"}, {n - 1, None, "...b"}, {n, None, "a..b"}, {n + 1, None, "a..b"}, {n + 1, All, "c..b"}} {
		if got := short(r.Crash(c.n, c.survives)); got != c.want {
			t.Errorf("crash after %d of %d operations: %s, want %s", c.n, r.Len(), got, c.want)
		}
	}
	if diff := cmp.Diff([]int{n}, r.Pending(n+1)); diff != "" {
		t.Error(diff)
	}
}

func TestSettleFails(t *testing.T) {
	r := NewRecorder(new(Mem))
	mustWrite(t, r, sectors("a", 1), 0)
	r.Inject(Fault{Kind: OpSync, Nth: 1, Err: unix.EIO})
	if err := r.Settle(); !errors.Is(err, storage.ErrUnsettled) || !errors.Is(err, unix.EIO) {
		t.Errorf("settle: %v", err)
	}
	if got := short(r.file); got != "a" {
		t.Errorf("%q: dropped though the error was told", got)
	}
	if err := r.Settle(); err != nil || short(r.file) != "" {
		t.Errorf("the second time: %v, %q", err, short(r.file))
	}
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

// Each page has what was done to it up to one moment: writes that span pages are
// there in any of them.
func TestPagedKeepsPagesWhole(t *testing.T) {
	r := NewRecorder(new(Mem))
	for k := range 4 {
		mustWrite(t, r, strings.Repeat(string(rune('a'+k)), 3*memPage), 0)
	}
	states := map[string]bool{}
	for seed := range uint64(2000) {
		m := r.Crash(4, r.Paged(4, seed)).Bytes()
		state := ""
		for page := range int64(3) {
			b := append(m, make([]byte, 3*memPage)...)[page*memPage:][:memPage]
			if bytes.Count(b, b[:1]) != memPage {
				t.Fatalf("seed %d: page %d is torn", seed, page)
			}
			state += string(rune(max(b[0], '0')))
		}
		states[state] = true
	}
	if len(states) != 5*5*5 {
		t.Errorf("%d states of 125", len(states))
	}
}

// A page that is written both ways at a time stays as the page cache has it: the
// direct write is gone, and the next sync fails or says nothing.
func TestCollision(t *testing.T) {
	for _, silent := range []bool{false, true} {
		r := NewRecorder(NewMem([]byte(strings.Repeat(".", 2*memPage))))
		r.PassCache(storage.SectorBytes, silent)
		r.Pause(func(k OpKind) {
			if k == OpDirect {
				mustWrite(t, r, "cached", 0)
			}
		})
		direct := strings.Repeat("d", memPage)
		if n, err := r.WriteDirect([]byte(direct), storage.SectorBytes); n != memPage || err != nil {
			t.Fatal(n, err)
		}
		if err := r.Datasync(); (err != nil) == silent {
			t.Errorf("silent %v: sync: %v", silent, err)
		}
		// The first page is the older one, the second has what was written directly.
		mustRead(t, r, 0, "cached..")
		mustRead(t, r, memPage-1, ".d")
		r.Pause(nil)
		if _, err := r.WriteDirect([]byte(direct), 0); err != nil || r.Datasync() != nil {
			t.Errorf("without a collision: %v", err)
		}
		mustRead(t, r, 0, "dd")
	}
}
