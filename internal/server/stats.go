// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"zqublkd/internal/tally"
)

// meterTime is how long a device goes on measuring after somebody last asked for it:
// longer than anybody who watches waits between two looks.
const meterTime = 5 * time.Minute

// metering is whether latencies are being measured, for those who watch.
type metering struct {
	mu   sync.Mutex
	on   bool
	stop *time.Timer // switches it off; nil: never
}

// measure answers stats. With meter it is measured from now on, or longer.
func (d *Device) measure(meter, detail bool) tally.Stats {
	d.metering.mu.Lock()
	defer d.metering.mu.Unlock()
	if meter {
		d.metering.on = true
		d.metering.extend(func() { d.stopMeter() })
	}
	s := d.disk.Measure(d.lanes, d.metering.on, detail)
	s.Began, s.Metered, s.Recoveries = d.record.Started, d.metering.on, d.record.Recoveries
	s.Image.Virtual = d.disk.Image().VirtualSize()
	var st unix.Stat_t
	if unix.Fstat(d.disk.File().Fd(), &st) == nil {
		s.Image.File, s.Image.Allocated = uint64(st.Size), uint64(st.Blocks)*512
	}
	return s
}

// extend lets metering end meterTime from now, unless it is for good.
func (m *metering) extend(end func()) {
	switch {
	case m.stop == nil:
		m.stop = time.AfterFunc(meterTime, end)
	default:
		m.stop.Reset(meterTime)
	}
}

// startMeter measures for as long as the device is served, if that was chosen.
func (d *Device) startMeter() {
	if !d.cfg.Metrics {
		return
	}
	d.metering.mu.Lock()
	defer d.metering.mu.Unlock()
	d.metering.on = true
	d.disk.Measure(d.lanes, true, false)
}

// stopMeter ends what nobody asks for any more.
func (d *Device) stopMeter() {
	d.metering.mu.Lock()
	defer d.metering.mu.Unlock()
	if d.cfg.Metrics {
		return
	}
	d.metering.on = false
	d.disk.Measure(d.lanes, false, false)
}

// StatsQuery says what is asked for.
type StatsQuery struct {
	Meter  bool // measure latencies from now on, for 5 minutes at least
	Detail bool // of each zone
}

// AskStats asks the daemon of device id what it has done and how it stands; ErrHung:
// it says nothing in time.
func AskStats(runDir string, id uint32, q StatsQuery, patience time.Duration) (tally.Stats, error) {
	r, err := askWithin(runDir, id, command{Verb: "stats", Meter: q.Meter, Detail: q.Detail}, patience)
	if err != nil {
		return tally.Stats{}, err
	}
	if r.Stats == nil {
		return tally.Stats{}, errors.New("the daemon is of an older version, which has no numbers: `zqublkd upgrade` replaces it")
	}
	return *r.Stats, nil
}
