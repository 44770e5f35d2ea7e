// SPDX-License-Identifier: Apache-2.0

package zonetest

import (
	"syscall"

	"zqublkd/zoned"
)

// audit is what must hold after every case, whatever it did.
func (d *drive) audit() {
	d.report()
	d.auditData()
	d.auditSlots()
}

// auditData reads back all that was written.
func (d *drive) auditData() {
	for i, z := range d.now() {
		if z.Condition == zoned.Offline {
			continue
		}
		for _, r := range d.content.runs(uint32(i)) {
			zone{d, uint32(i)}.contains(r.off, r.n)
		}
	}
}

// auditSlots opens empty zones until no slot is left: there must be exactly as
// many as the report leaves. A slot that leaked, or was given back twice, is
// seen by nobody else.
func (d *drive) auditSlots() {
	infos := d.now()
	free, then := d.freeSlots(infos)
	for i := 0; i < len(infos) && free >= 0; i++ {
		if infos[i].Condition != zoned.Empty {
			continue
		}
		want := syscall.Errno(0)
		if free == 0 {
			want = then
		}
		free--
		if a := (zone{d, uint32(i)}).open(); d.do(a) != want {
			open, active := count(infos)
			d.fail("slots: with %d zones open and %d active, the last of %q should give %s", open, active, d.acts, errnoName(want))
		}
	}
}

// freeSlots counts the empty zones that can be opened explicitly, and says with
// what the next one is refused. Less than 0: there is no limit.
func (d *drive) freeSlots(infos []zoned.Info) (free int, then syscall.Errno) {
	_, active := count(infos)
	explicit := 0
	for _, z := range infos {
		if z.Condition == zoned.ExplicitOpen {
			explicit++
		}
	}
	open, more := int(d.lim.MaxOpen)-explicit, int(d.lim.MaxActive)-active
	switch {
	case d.lim.MaxOpen == 0 && d.lim.MaxActive == 0:
		return -1, 0
	case d.lim.MaxActive != 0 && (d.lim.MaxOpen == 0 || more <= open):
		return more, noActiveSlot
	}
	return open, noOpenSlot
}
