// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"strings"
)

// side is a workload on a contender.
type side struct{ who, work string }

// gate is how much we want to be ahead.
type gate struct {
	point  string // gates of a point belong together
	mine   side
	peer   side
	stores []string
	kernel string // "": all that devices are measured on
	want   float64
	costs  bool // compares processor time for each request: at most so much
}

// native is the name of the kernel of measurements without a device.
const nativeKernel = "native"

// noise is the part of its figure from which a gate counts.
const noise = 0.9

// on says whether g counts on a kernel.
func (g gate) on(kernel string) bool {
	return g.kernel == kernel || g.kernel == "" && kernel != nativeKernel
}

// compared says whether a gate compares s there.
func compared(kernel, store string, s side) bool {
	return slices.ContainsFunc(gates, func(g gate) bool {
		return g.on(kernel) && slices.Contains(g.stores, store) && (g.mine == s || g.peer == s)
	})
}

// verdict is what a gate's cells say.
type verdict struct {
	ratio, low, high float64 // of the medians; the least and greatest of a round
	met              bool
}

// judge holds the cells of a store against g; false if there are none of one
// boot.
func (g gate) judge(r report, store string) (v verdict, ok bool) {
	mine, mok := r.find(store, g.mine)
	peer, pok := r.find(store, g.peer)
	if !mok || !pok {
		return v, false
	}
	of := kiops
	if g.costs {
		of = cpu
	}
	if v, ok = compare(mine, peer, of); !ok {
		return v, false
	}
	v.met = v.ratio >= g.want*noise
	if g.costs {
		v.met = v.ratio <= g.want/noise
	}
	return v, true
}

// compare is a figure of one cell to that of another, which must be of the
// same boot.
func compare(mine, peer cell, of func(measurement) float64) (v verdict, ok bool) {
	if mine.Boot != peer.Boot || len(mine.Rounds) != len(peer.Rounds) || peer.median(of) == 0 {
		return v, false
	}
	var each []float64
	for i, m := range mine.Rounds {
		if p := of(peer.Rounds[i]); p > 0 {
			each = append(each, of(m)/p)
		}
	}
	return verdict{ratio: mine.median(of) / peer.median(of), low: slices.Min(each), high: slices.Max(each)}, true
}

// gateTable is the verdict on every gate, on the kernels there are reports of.
func gateTable(text *strings.Builder, kernels []string, reports map[string]report) {
	text.WriteString("| | zqublkd | against | store | kernel | wanted | ratio (rounds) | |\n|---|---|---|---|---|---|---|---|\n")
	for _, g := range gates {
		for _, kernel := range kernels {
			for _, store := range g.stores {
				if g.on(kernel) {
					fmt.Fprintf(text, "| %s | %s | %s | %s | %s | %s |\n", g.point, g.mine, g.against(), store, kernel,
						g.row(reports[kernel], store))
				}
			}
		}
	}
}

// row is the figures of one line of the table.
func (g gate) row(r report, store string) string {
	want := fmt.Sprintf("at least %.2f", g.want)
	if g.costs {
		want = fmt.Sprintf("CPU at most %.2f", g.want)
	}
	v, ok := g.judge(r, store)
	switch {
	case !ok:
		return want + " | | not measured"
	case v.met:
		return fmt.Sprintf("%s | %.2f (%.2f to %.2f) | met", want, v.ratio, v.low, v.high)
	}
	return fmt.Sprintf("%s | %.2f (%.2f to %.2f) | **not met**", want, v.ratio, v.low, v.high)
}

func (s side) String() string { return s.who + ": " + s.work }

// against is the peer, without the workload if it is the same.
func (g gate) against() string {
	if g.peer.work == g.mine.work {
		return g.peer.who
	}
	return g.peer.String()
}
