// SPDX-License-Identifier: Apache-2.0

package top

import (
	"time"

	"zqublkd/internal/metrics"
	"zqublkd/internal/tally"
)

// Sample is how the devices stood at a time.
type Sample struct {
	Time    time.Time
	Devices []metrics.Device
}

// View is what happened between two samples.
type View struct {
	Time    time.Time `json:"time"`
	Devices []Device  `json:"devices"`
}

// Device is one device of a View. What is per second is of the time since the sample
// before, or since the daemon began if it is younger.
type Device struct {
	Device  string  `json:"device"`
	Name    string  `json:"name"`
	Image   string  `json:"image"`
	State   string  `json:"state"` // live, or why the rest is not there
	Seconds float64 `json:"seconds,omitempty"`
	Ops     []Op    `json:"ops,omitempty"`

	CacheHits float64      `json:"cache_hits"`     // of all look-ups, 0 to 1; 1 if there were none
	Heat      []uint64     `json:"heat,omitempty"` // bytes moved, by zone
	Stats     *tally.Stats `json:"stats,omitempty"`
}

// Op is what happened of one operation.
type Op struct {
	Op      string  `json:"op"`
	IOPS    float64 `json:"iops"` // answered, per second
	Bytes   float64 `json:"bytes_per_second"`
	Failed  uint64  `json:"failed"` // of them
	P50     float64 `json:"p50_us"` // 0: none was measured
	P99     float64 `json:"p99_us"`
	OKTotal uint64  `json:"ok_total"` // since the daemon began
}

// Between is what happened between two samples.
func Between(before, now Sample) View {
	v := View{Time: now.Time, Devices: []Device{}}
	earlier := map[string]metrics.Device{}
	for _, d := range before.Devices {
		earlier[d.Node] = d
	}
	for _, d := range now.Devices {
		out := Device{Device: d.Node, Name: d.Name, Image: d.Image, State: d.State, Stats: d.Stats}
		if d.Stats != nil {
			out.compare(earlier[d.Node].Stats, d.Stats)
		}
		v.Devices = append(v.Devices, out)
	}
	return v
}

// compare fills in what happened since was.
func (d *Device) compare(was, is *tally.Stats) {
	if was == nil || !was.Began.Equal(is.Began) {
		was = &tally.Stats{Time: is.Began}
	}
	d.Seconds = max(is.Time.Sub(was.Time).Seconds(), 1e-3)
	earlier := map[string]tally.Op{}
	for _, o := range was.Ops {
		earlier[o.Op] = o
	}
	for _, o := range is.Ops {
		d.Ops = append(d.Ops, opBetween(earlier[o.Op], o, d.Seconds))
	}
	d.CacheHits = 1
	if n := is.Cache.Lookups - was.Cache.Lookups; n > 0 {
		d.CacheHits = 1 - float64(is.Cache.Misses-was.Cache.Misses)/float64(n)
	}
	if is.Detail == nil {
		return
	}
	d.Heat = append([]uint64{}, is.Detail.Moved...)
	if was.Detail != nil && len(was.Detail.Moved) == len(d.Heat) {
		for k, n := range was.Detail.Moved {
			d.Heat[k] -= min(n, d.Heat[k])
		}
	}
}

func opBetween(was, is tally.Op, seconds float64) Op {
	o := Op{Op: is.Op, OKTotal: is.OK, Failed: is.Failed - was.Failed,
		IOPS:  float64(is.OK+is.Failed-was.OK-was.Failed) / seconds,
		Bytes: float64(is.Bytes-was.Bytes) / seconds}
	if is.Latency == nil {
		return o
	}
	h := *is.Latency
	if was.Latency != nil {
		h = is.Latency.Since(was.Latency)
	}
	o.P50 = float64(h.Quantile(0.5)) / 1e3
	o.P99 = float64(h.Quantile(0.99)) / 1e3
	return o
}
