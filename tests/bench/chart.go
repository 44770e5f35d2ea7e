// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"html"
	"strings"
)

// ours is the contender that the others are held against.
const ours = "zqublkd"

// peers are drawn, in this order, with these colours.
var peers = []struct{ name, colour string }{
	{"kublk loop", "#4477aa"},
	{userCopy, "#66ccee"},
	{zeroCopy, "#228833"},
	{qemuNBDs, "#ee6677"},
	{qemuBench, "#aa3377"},
}

const (
	barHeight = 9
	barWidth  = 130 // of a ratio of 1
	textWidth = 300
	maxRatio  = 5.0
)

// bar is one ratio of medians: ours to a peer's.
type bar struct {
	label, colour string
	ratio         float64
}

// chart draws how many times as fast we are as each peer; the line is 1.
func chart(r report) string {
	var body strings.Builder
	y := 24
	for _, store := range r.unique("", storeOf) {
		fmt.Fprintf(&body, `<text x="4" y="%d" font-weight="bold">%s</text>`+"\n", y, html.EscapeString(store))
		y += 6
		for _, work := range r.unique(store, workloadOf) {
			bars := r.bars(store, work)
			if len(bars) == 0 {
				continue
			}
			y += 6
			fmt.Fprintf(&body, `<text x="4" y="%d">%s</text>`+"\n", y+barHeight, html.EscapeString(work))
			for _, b := range bars {
				fmt.Fprintf(&body, `<rect x="%d" y="%d" width="%.0f" height="%d" fill="%s"/><text x="%.0f" y="%d" font-size="9">%.2f</text>`+"\n",
					textWidth, y, min(b.ratio, maxRatio)*barWidth, barHeight-1, b.colour,
					textWidth+min(b.ratio, maxRatio)*barWidth+3, y+barHeight-1, b.ratio)
				y += barHeight
			}
		}
		y += 30
	}
	line := textWidth + barWidth
	fmt.Fprintf(&body, `<line x1="%d" x2="%d" y1="10" y2="%d" stroke="#888" stroke-dasharray="3"/>`+"\n", line, line, y)
	for i, p := range peers {
		fmt.Fprintf(&body, `<rect x="%d" y="%d" width="10" height="10" fill="%s"/><text x="%d" y="%d">%s</text>`+"\n",
			4+i*190, y, p.colour, 18+i*190, y+9, html.EscapeString("zqublkd : "+p.name))
	}
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="11">`+"\n"+
		`<rect width="100%%" height="100%%" fill="white"/>`+"\n%s</svg>\n", textWidth+int(maxRatio*barWidth)+60, y+20, body.String())
}

// bars are ours to each peer that ran the workload in the same boot.
func (r report) bars(store, work string) []bar {
	mine, ok := r.base(store, work)
	if !ok {
		return nil
	}
	var list []bar
	for _, p := range peers {
		if c, ok := r.find(store, side{p.name, work}); ok {
			if v, ok := compare(mine, c, kiops); ok {
				list = append(list, bar{p.name, p.colour, v.ratio})
			}
		}
	}
	return list
}
