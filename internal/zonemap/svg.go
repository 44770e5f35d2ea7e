// SPDX-License-Identifier: Apache-2.0

package zonemap

import (
	"fmt"
	"html"
	"io"
	"strings"
)

// Measures of the picture, in pixels.
const (
	svgCell    = 14
	svgGap     = 2
	svgColumns = 64
	svgMargin  = 10
	svgText    = 16
	svgMost    = 1 << 14 // cells
)

// SVG draws the map as a picture with the given title.
func (m *Map) SVG(w io.Writer, title string) error {
	per := max((len(m.zones)+svgMost-1)/svgMost, 1)
	cells := m.cells(per)
	rows := (len(cells) + svgColumns - 1) / svgColumns
	width := 2*svgMargin + svgColumns*(svgCell+svgGap)
	top := svgMargin + 2*svgText
	height := top + rows*(svgCell+svgGap) + svgMargin + 3*svgText
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">`+"\n", width, height)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="white"/>`+"\n"+`<text x="%d" y="%d" font-weight="bold">%s</text>`+"\n",
		svgMargin, svgMargin+svgText, html.EscapeString(title))
	for i, c := range cells {
		x, y := svgMargin+i%svgColumns*(svgCell+svgGap), top+i/svgColumns*(svgCell+svgGap)
		m.svgCell(&b, c, i*per, x, y)
	}
	m.svgLegend(&b, top+rows*(svgCell+svgGap)+svgMargin+svgText)
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// svgCell draws the frame of a cell, what is written as a bar from its foot, and
// says in words what it is to who points at it.
func (m *Map) svgCell(b *strings.Builder, c cell, first, x, y int) {
	l := lookOf(c.condition)
	stroke, thick := l.rgb, 1
	if c.marked {
		stroke, thick = "black", 2
	}
	bar := c.fill * svgCell
	fmt.Fprintf(b, `<g><title>zone %d, %s, %.0f %%</title><rect x="%d" y="%d" width="%d" height="%d" fill="%s" fill-opacity="0.2" stroke="%s" stroke-width="%d"/>`,
		first, words(c.condition), c.fill*100, x, y, svgCell, svgCell, l.rgb, stroke, thick)
	if bar > 0 {
		fmt.Fprintf(b, `<rect x="%d" y="%.1f" width="%d" height="%.1f" fill="%s"/>`, x, float64(y+svgCell)-bar, svgCell, bar, l.rgb)
	}
	b.WriteString("</g>\n")
}

func (m *Map) svgLegend(b *strings.Builder, y int) {
	each, open, active := m.count()
	x := svgMargin
	for _, c := range order {
		if each[c] == 0 {
			continue
		}
		text := fmt.Sprintf("%s: %d", words(c), each[c])
		fmt.Fprintf(b, `<rect x="%d" y="%d" width="%d" height="%d" fill="%s"/><text x="%d" y="%d">%s</text>`+"\n",
			x, y-svgCell+3, svgCell, svgCell, lookOf(c).rgb, x+svgCell+4, y, text)
		x += svgCell + 20 + 7*len(text)
	}
	fmt.Fprintf(b, `<text x="%d" y="%d">open %s, active %s</text>`+"\n", svgMargin, y+svgText+4,
		ofLimit(open, m.limits.MaxOpen), ofLimit(active, m.limits.MaxActive))
}
