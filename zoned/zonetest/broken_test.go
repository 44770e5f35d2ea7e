// SPDX-License-Identifier: Apache-2.0

package zonetest_test

import (
	"bytes"
	"strings"
	"syscall"
	"testing"
	"time"

	"zqublkd/zoned"
	"zqublkd/zoned/zonetest"
)

// broken is an emulator of which some methods are others.
type broken struct {
	*emulator
	geometry func() zoned.Geometry
	limits   func() zoned.Limits
	read     func(off uint64, p []byte) syscall.Errno
	write    func(off uint64, p []byte) syscall.Errno
	append   func(zone uint64, p []byte) (uint64, syscall.Errno)
	manage   func(op zoned.Operation, off uint64) syscall.Errno
	resetAll func() syscall.Errno
	cycle    func() error
}

func (b *broken) Geometry() zoned.Geometry                          { return b.geometry() }
func (b *broken) Limits() zoned.Limits                              { return b.limits() }
func (b *broken) Read(off uint64, p []byte) syscall.Errno           { return b.read(off, p) }
func (b *broken) Write(off uint64, p []byte) syscall.Errno          { return b.write(off, p) }
func (b *broken) Manage(op zoned.Operation, o uint64) syscall.Errno { return b.manage(op, o) }
func (b *broken) ResetAll() syscall.Errno                           { return b.resetAll() }
func (b *broken) PowerCycle() error                                 { return b.cycle() }
func (b *broken) Append(zone uint64, p []byte) (uint64, syscall.Errno) {
	return b.append(zone, p)
}

func newBroken(t *testing.T) *broken {
	const block = 512
	g := zoned.Geometry{Size: 16 * 256 * block, ZoneSize: 256 * block, ZoneCapacity: 192 * block, Conventional: 2}
	e, err := newEmulator(g, zoned.Limits{MaxOpen: 3, MaxActive: 5}, block, 64*block)
	if err != nil {
		t.Fatal(err)
	}
	return &broken{emulator: e, geometry: e.Geometry, limits: e.Limits, read: e.Read, write: e.Write,
		append: e.Append, manage: e.Manage, resetAll: e.ResetAll, cycle: e.PowerCycle}
}

// TestNotices breaks the emulator in ways that real devices are known for, and
// wants to hear of it from the case that is there for it.
func TestNotices(t *testing.T) {
	for _, c := range []struct {
		name     string
		breakIt  func(b *broken)
		by, says string
	}{
		{"reads above the write pointer are not zero", func(b *broken) {
			b.read = func(off uint64, p []byte) syscall.Errno {
				errno := b.emulator.Read(off, p)
				if z := b.dev.Report(off, 1); len(z) > 0 && !z[0].Conventional && off >= z[0].WP {
					copy(p, bytes.Repeat([]byte{0xff}, len(p)))
				}
				return errno
			}
		}, "read/above-the-write-pointer-is-zero", "reads 0xff, want 0x00"},
		{"a refused write leaves its data", func(b *broken) {
			b.write = func(off uint64, p []byte) syscall.Errno {
				errno := b.emulator.Write(off, p)
				if errno != 0 {
					b.store(off, p)
				}
				return errno
			}
			b.manage = func(op zoned.Operation, off uint64) syscall.Errno { return b.untidy(op, off) }
		}, "write/refused-leaves-no-data", "reads 0x"},
		{"a finish leaves what was in the tail", func(b *broken) {
			b.manage = func(op zoned.Operation, off uint64) syscall.Errno { return b.untidy(op, off) }
		}, "finish/no-old-data-in-the-tail", "nothing is written there"},
		{"another errno", func(b *broken) {
			b.write = func(off uint64, p []byte) syscall.Errno {
				errno := b.emulator.Write(off, p)
				if errno == syscall.EIO {
					errno = syscall.EINVAL
				}
				return errno
			}
		}, "write/below-the-write-pointer", "got EINVAL, want EIO"},
		{"one open slot too few", func(b *broken) {
			b.limits = func() zoned.Limits { return zoned.Limits{MaxOpen: 4, MaxActive: 5} }
		}, "report/every-zone", "should give success"},
		{"one open slot too many", func(b *broken) {
			b.limits = func() zoned.Limits { return zoned.Limits{MaxOpen: 2, MaxActive: 5} }
		}, "report/every-zone", "should give ETOOMANYREFS"},
		{"one active slot too many", func(b *broken) {
			b.limits = func() zoned.Limits { return zoned.Limits{MaxOpen: 3, MaxActive: 4} }
		}, "limits/active-zones-up-to-the-limit", "5 active, the limits are 3 and 4"},
		{"more capacity than is said", func(b *broken) {
			g := b.geometry()
			g.ZoneCapacity -= 512
			b.geometry = func() zoned.Geometry { return g }
		}, "report/every-zone", "is reported as"},
		{"an append says where it ends", func(b *broken) {
			b.append = func(zone uint64, p []byte) (uint64, syscall.Errno) {
				at, errno := b.emulator.Append(zone, p)
				return at + uint64(len(p)), errno
			}
		}, "append/at-the-write-pointer", "want the write pointer"},
		{"a reset takes the neighbour's bytes", func(b *broken) {
			b.manage = func(op zoned.Operation, off uint64) syscall.Errno {
				errno := b.emulator.Manage(op, off)
				if op == zoned.OpReset && errno == 0 {
					clear(b.bytes[off-512 : off])
					clear(b.bytes[off:min(off+b.Geometry().ZoneSize+512, b.Geometry().Size)])
				}
				return errno
			}
		}, "reset/neighbours-keep-their-data", "it belongs to sector"},
		{"a reset of all takes the conventional zones", func(b *broken) {
			b.resetAll = func() syscall.Errno {
				b.store(0, make([]byte, b.Geometry().Size))
				return b.emulator.ResetAll()
			}
		}, "reset-all/leaves-conventional", "it belongs to sector"},
		{"a close keeps unwritten zones open", func(b *broken) {
			b.manage = func(op zoned.Operation, off uint64) syscall.Errno {
				if z := b.dev.Report(off, 1); op == zoned.OpClose && len(z) > 0 && z[0].WP == off {
					return 0
				}
				return b.emulator.Manage(op, off)
			}
		}, "close/unwritten-becomes-empty", "is explicit-open at 0, want empty at 0"},
		{"a power cycle loses a write", func(b *broken) {
			b.cycle = func() error {
				return b.restart(func(entries []zoned.Entry) {
					for i := range entries {
						entries[i].WP = b.Geometry().Start(uint32(i))
					}
				})
			}
		}, "power/conditions", "is empty, want closed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBroken(t)
			c.breakIt(b)
			if text := zonetest.Failure(b, c.by, zonetest.AnswerTime); !strings.Contains(text, c.says) {
				t.Errorf("%s says %q, want %q", c.by, text, c.says)
			}
			if text := zonetest.Failure(newBroken(t), c.by, zonetest.AnswerTime); text != "" {
				t.Errorf("%s says %q of a device that is not broken", c.by, text)
			}
		})
	}
}

// TestNoticesSilence: a request without an answer fails its case.
func TestNoticesSilence(t *testing.T) {
	b := newBroken(t)
	b.read = func(uint64, []byte) syscall.Errno { select {} }
	if text := zonetest.Failure(b, "read/whole-zone", 100*time.Millisecond); !strings.Contains(text, "no answer after 100ms") {
		t.Errorf("says %q", text)
	}
}

// store changes the bytes at off, without asking the rules.
func (b *broken) store(off uint64, p []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	copy(b.bytes[min(off, b.Geometry().Size):], p)
}

// untidy is Manage without the zeros that a finish must write.
func (b *broken) untidy(op zoned.Operation, off uint64) syscall.Errno {
	if op != zoned.OpFinish {
		return b.emulator.Manage(op, off)
	}
	return run(func(o *zoned.Op) (zoned.Verdict, error) { return b.dev.BeginFinish(o, off) },
		func(*zoned.Op) error { return nil }, b.dev.EndFinish)
}

func TestVerdict(t *testing.T) {
	always := &zonetest.Difference{Seen: "reads 0xff", Why: "it does"}
	sometimes := &zonetest.Difference{Seen: "reads 0xff", Why: "it does", Sometimes: true}
	for _, c := range []struct {
		name, text string
		x          *zonetest.Difference
		ok         bool
		says       string
	}{
		{"passed", "", nil, true, ""},
		{"failed", "byte 1 reads 0xff", nil, false, "byte 1 reads 0xff"},
		{"differs as known", "byte 1 reads 0xff", always, true, "because it does"},
		{"differs in another way", "got EIO", always, false, "got EIO"},
		{"differs no more", "", always, false, "passed, but is known to differ"},
		{"sometimes does", "byte 1 reads 0xff", sometimes, true, "because it does"},
		{"sometimes does not", "", sometimes, true, ""},
		{"sometimes, but now in another way", "got EIO", sometimes, false, "got EIO"},
	} {
		if ok, says := zonetest.Verdict(c.text, c.x); ok != c.ok || !strings.Contains(says, c.says) {
			t.Errorf("%s: %t, %q", c.name, ok, says)
		}
	}
}
