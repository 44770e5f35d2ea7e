// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// Measures of the picture, in pixels.
const (
	columns     = 2
	panelWidth  = 480
	plotWidth   = 390
	plotHeight  = 120
	plotLeft    = 70
	titleHeight = 34
	axisHeight  = 20
	entryHeight = 15
	entries     = 2 // of a legend, side by side
	gridLines   = 4
	margin      = 12
)

// look is how a line is drawn: told apart by people who see fewer colours, or none.
type look struct{ colour, dashes string }

var looks = []look{
	{"#4477aa", ""}, {"#ee6677", "6 3"}, {"#228833", "2 2"}, {"#aa3377", "8 3 2 3"}, {"#ccbb44", "1 3"},
	{"#66ccee", "12 4"}, {"#882222", "4 1"}, {"#666666", "8 2 2 2 2 2"}, {"#4477aa", "1 1"}, {"#ee6677", "16 3 1 3"},
	{"#228833", "5 5"}, {"#aa3377", "3 1 1 1"},
}

// picture is what has been drawn.
type picture struct{ strings.Builder }

func (p *picture) text(x, y float64, how, s string) {
	fmt.Fprintf(p, `<text x="%.0f" y="%.0f"%s>%s</text>`+"\n", x, y, how, html.EscapeString(s))
}

func (p *picture) line(x1, y1, x2, y2 float64, how string) {
	fmt.Fprintf(p, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" %s/>`+"\n", x1, y1, x2, y2, how)
}

// draw draws the panels, two in a row.
func draw(panels []panel) string {
	var body picture
	y, end := float64(margin), timeTo(panels)
	for first := 0; first < len(panels); first += columns {
		high := 0.0
		for k, p := range panels[first:min(first+columns, len(panels))] {
			high = max(high, p.draw(&body, float64(margin+k*panelWidth), y, end))
		}
		y += high
	}
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%.0f" font-family="sans-serif" font-size="11">`+"\n"+
		`<rect width="100%%" height="100%%" fill="white"/>`+"\n%s</svg>\n", columns*panelWidth+2*margin, y+margin, body.String())
}

// timeTo is where the axis of time ends: round, and no point is later.
func timeTo(panels []panel) float64 {
	last := 1.0
	for _, p := range panels {
		for _, s := range p.Series {
			for _, pt := range s.Points {
				last = max(last, pt[0])
			}
		}
	}
	const each = gridLines * 10
	return math.Ceil(last/each) * each
}

// draw draws a panel with its corner at x, y, and returns how high it is.
func (p panel) draw(to *picture, x, y, end float64) float64 {
	to.text(x, y+14, ` font-weight="bold"`, p.Title)
	most := p.most()
	left, top := x+plotLeft, y+titleHeight-10
	for k := range gridLines + 1 {
		part := float64(k) / gridLines
		at := top + plotHeight*(1-part)
		to.line(left, at, left+plotWidth, at, `stroke="#ddd"`)
		to.text(left-4, at+4, ` text-anchor="end"`, amount(most*part, p.Unit))
		to.text(left+plotWidth*part, top+plotHeight+14, ` text-anchor="middle"`, fmt.Sprintf("%.0f s", end*part))
	}
	foot := top + plotHeight + axisHeight
	for k, s := range p.Series {
		l := looks[k%len(looks)]
		how := fmt.Sprintf(`fill="none" stroke="%s" stroke-width="1.5" stroke-dasharray="%s"`, l.colour, l.dashes)
		for _, run := range s.runs() {
			fmt.Fprintf(to, `<polyline %s points="`, how)
			for _, pt := range run {
				fmt.Fprintf(to, "%.1f,%.1f ", left+plotWidth*pt[0]/end, top+plotHeight*(1-pt[1]/most))
			}
			to.WriteString(`"/>` + "\n")
		}
		at, row := left+float64(k%entries)*plotWidth/entries, foot+float64(k/entries)*entryHeight+8
		to.line(at, row-4, at+28, row-4, how)
		to.text(at+34, row, "", s.Name)
	}
	return foot - y + float64((len(p.Series)+entries-1)/entries)*entryHeight + margin
}

// most is a round number that no value of a panel is above.
func (p panel) most() (most float64) {
	for _, s := range p.Series {
		for _, pt := range s.Points {
			most = max(most, pt[1])
		}
	}
	return p.round(most)
}

// round is the least round number from n on.
func (p panel) round(n float64) float64 {
	if n <= 0 {
		return 1
	}
	if p.Unit == "bytes" {
		return math.Exp2(math.Ceil(math.Log2(n)))
	}
	power := math.Pow(10, math.Floor(math.Log10(n)))
	for _, step := range []float64{1, 2, 4, 8} {
		if n <= step*power {
			return step * power
		}
	}
	return 10 * power
}

// runs are the parts of a series that hang together: a device that was not there has
// no line.
func (s series) runs() (list [][]point) {
	step := math.Inf(1)
	for k := 1; k < len(s.Points); k++ {
		step = min(step, s.Points[k][0]-s.Points[k-1][0])
	}
	for k, pt := range s.Points {
		if k == 0 || pt[0]-s.Points[k-1][0] > 1.5*step {
			list = append(list, nil)
		}
		list[len(list)-1] = append(list[len(list)-1], pt)
	}
	return list
}

// amount is a number in a unit of Grafana's.
func amount(n float64, unit string) string {
	switch unit {
	case "reqps":
		return scaled(n, 1000, "", "k", "M") + "/s"
	case "Bps":
		return scaled(n, 1000, " ", " k", " M", " G") + "B/s"
	case "bytes":
		return scaled(n, 1024, " ", " Ki", " Mi", " Gi", " Ti") + "B"
	case "percentunit":
		return fmt.Sprintf("%.0f %%", 100*n)
	case "s":
		switch {
		case n == 0 || n >= 1:
			return scaled(n, 1000, " s")
		case n < 1e-3:
			return scaled(n*1e6, 1000, " µs")
		}
		return scaled(n*1e3, 1000, " ms")
	}
	return scaled(n, 1000, "", "k", "M")
}

// scaled is n in the largest of the units that it has one of, each so many times the one before.
func scaled(n, each float64, units ...string) string {
	k := 0
	for n >= each && k < len(units)-1 {
		n, k = n/each, k+1
	}
	return fmt.Sprintf("%.4g%s", n, units[k])
}
