// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"zqublkd/internal/tally"
)

// collector asks the source whenever somebody scrapes.
type collector struct{ source Source }

// kind is one metric: its name, what it is, and its labels beside device and name.
type kind struct {
	desc  *prometheus.Desc
	value prometheus.ValueType
}

func newKind(value prometheus.ValueType, name, help string, labels ...string) kind {
	return kind{prometheus.NewDesc("zqublkd_"+name, help, append([]string{"device", "name"}, labels...), nil), value}
}

func gauge(name, help string, labels ...string) kind {
	return newKind(prometheus.GaugeValue, name, help, labels...)
}

func counter(name, help string, labels ...string) kind {
	return newKind(prometheus.CounterValue, name, help, labels...)
}

// The metrics.
var (
	info = gauge("device_info", "The device, its image and its kind; always 1.", "image", "kind")
	up   = gauge("up", "Whether the daemon of the device gives its numbers; state says why not.", "state")

	requests = counter("requests_total", "Requests answered, since the daemon began.", "op", "result")
	moved    = counter("request_bytes_total", "Bytes of the reads, writes and appends that succeeded.", "op")
	latency  = newKind(prometheus.UntypedValue, "request_duration_seconds",
		"How long requests took, from the driver to its answer, while that was measured.", "op")
	failures = counter("request_errors_total", "Requests refused, by the zone rule they broke.", "rule")
	metered  = gauge("metered", "Whether latencies are being measured.")

	depth    = gauge("queue_depth", "Requests that all queues take at once.")
	inFlight = gauge("requests_in_flight", "Requests that are not answered yet.")
	waiting  = gauge("requests_waiting", "Of those in flight, the ones that wait for another request in their zone.")
	stuck    = gauge("queues_stuck", "Queues whose thread did not say what it has counted.")
	jobs     = gauge("jobs", "Jobs that workers are doing: flushes, resets, tables being loaded.")

	zones     = gauge("zones", "Zones in each condition.", "condition")
	open      = gauge("zones_open", "Open zones.")
	active    = gauge("zones_active", "Active zones: open or closed.")
	maxOpen   = gauge("zones_max_open", "How many zones may be open; none: as many as there are.")
	maxActive = gauge("zones_max_active", "How many zones may be active; none: as many as there are.")

	lookups = counter("l2_cache_lookups_total", "Look-ups in the image's L2 tables.")
	misses  = counter("l2_cache_misses_total", "Look-ups whose table was not in memory.")

	virtual   = gauge("image_virtual_bytes", "The size of the device.")
	file      = gauge("image_file_bytes", "The length of the image file.")
	allocated = gauge("image_allocated_bytes", "The space that the image takes of its file system.")

	recoveries = counter("recoveries_total", "Daemons of the device that came after one that had died.")
	began      = gauge("daemon_start_time_seconds", "When the daemon, and with it the counters, began.")
)

// Describe implements prometheus.Collector: what comes depends on the devices.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c collector) Collect(out chan<- prometheus.Metric) {
	list, err := c.source()
	if err != nil {
		out <- prometheus.NewInvalidMetric(up.desc, err)
		return
	}
	for _, d := range list {
		emitter{out, []string{d.Node, d.Name}}.device(d)
	}
}

// emitter sends the metrics of one device.
type emitter struct {
	out    chan<- prometheus.Metric
	labels []string
}

func (e emitter) values(more []string) []string {
	all := append(append([]string{}, e.labels...), more...)
	for k := range all { // one path that is no text must not cost the others
		all[k] = strings.ToValidUTF8(all[k], "\uFFFD")
	}
	return all
}

func (e emitter) send(k kind, v float64, labels ...string) {
	e.out <- prometheus.MustNewConstMetric(k.desc, k.value, v, e.values(labels)...)
}

func (e emitter) device(d Device) {
	what := "plain"
	if d.Zoned {
		what = "zoned"
	}
	e.send(info, 1, d.Image, what)
	e.send(up, number(d.Stats != nil), d.State)
	if d.Stats == nil {
		return
	}
	e.requests(d.Stats)
	e.queues(d.Stats)
	if d.Zoned {
		e.zones(d.Stats)
	}
	e.send(lookups, float64(d.Stats.Cache.Lookups))
	e.send(misses, float64(d.Stats.Cache.Misses))
	e.send(virtual, float64(d.Stats.Image.Virtual))
	e.send(file, float64(d.Stats.Image.File))
	e.send(allocated, float64(d.Stats.Image.Allocated))
	e.send(recoveries, float64(d.Stats.Recoveries))
	e.send(began, float64(d.Stats.Began.UnixNano())/1e9)
}

func (e emitter) requests(s *tally.Stats) {
	for _, o := range s.Ops {
		e.send(requests, float64(o.OK), o.Op, "ok")
		e.send(requests, float64(o.Failed), o.Op, "error")
		if o.Bytes > 0 {
			e.send(moved, float64(o.Bytes), o.Op)
		}
		if h := o.Latency; h != nil {
			e.out <- prometheus.MustNewConstHistogram(latency.desc, h.Count, float64(h.Nanos)/1e9, h.Classic(),
				e.values([]string{o.Op})...)
		}
	}
	for rule, n := range s.Errors {
		e.send(failures, float64(n), rule)
	}
	e.send(metered, number(s.Metered))
}

func (e emitter) queues(s *tally.Stats) {
	var all tally.Queue
	var still int
	for _, q := range s.Queues {
		all.Depth += q.Depth
		all.InFlight += q.InFlight
		all.Waiting += q.Waiting
		if q.Stuck {
			still++
		}
	}
	e.send(depth, float64(all.Depth))
	e.send(inFlight, float64(all.InFlight))
	e.send(waiting, float64(all.Waiting))
	e.send(stuck, float64(still))
	e.send(jobs, float64(s.Jobs))
}

func (e emitter) zones(s *tally.Stats) {
	for c, n := range s.Conditions {
		e.send(zones, float64(n), c)
	}
	e.send(open, float64(s.Open))
	e.send(active, float64(s.Active))
	if s.Limits.Open > 0 {
		e.send(maxOpen, float64(s.Limits.Open))
	}
	if s.Limits.Active > 0 {
		e.send(maxActive, float64(s.Limits.Active))
	}
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
