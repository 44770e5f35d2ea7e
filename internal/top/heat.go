// SPDX-License-Identifier: Apache-2.0

package top

import (
	"fmt"
	"strings"

	"charm.land/lipgloss/v2"
)

const (
	heatCells = 64 // of a row
	heatRows  = 8
)

// heat draws where the bytes went: a cell for each zone, or for some of them, and in it
// how much of what the busiest cell had, in ninths.
func (p *painter) heat(d Device) {
	zones := len(d.Heat)
	if zones == 0 || d.Stats.Zones == 0 {
		return
	}
	each := (zones + heatCells*heatRows - 1) / (heatCells * heatRows)
	cells := make([]uint64, (zones+each-1)/each)
	for z, n := range d.Heat {
		cells[z/each] += n
	}
	var most uint64
	for _, n := range cells {
		most = max(most, n)
	}
	what := "a cell is a zone"
	if each > 1 {
		what = fmt.Sprintf("a cell is %d zones", each)
	}
	p.line("")
	p.line("heat: %s; . idle, 1 to 9 parts of the busiest, %s/s", what, size(uint64(float64(most)/d.Seconds)))
	for at := 0; at < len(cells); at += heatCells {
		var b strings.Builder
		for _, n := range cells[at:min(at+heatCells, len(cells))] {
			b.WriteString(p.cell(n, most))
		}
		p.line("%8d  %s", at*each, b.String())
	}
}

// scale are the colours from cool to hot.
var scale = []string{"17", "18", "19", "54", "90", "126", "162", "197", "196"}

func (p *painter) cell(n, most uint64) string {
	if n == 0 {
		return "."
	}
	level := max(1, int(float64(n)/float64(most)*9))
	s := lipgloss.NewStyle().Foreground(lipgloss.Color("15")).Background(lipgloss.Color(scale[level-1]))
	return p.style(s, string(rune('0'+level)))
}
