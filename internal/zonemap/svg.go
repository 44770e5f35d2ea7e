// SPDX-License-Identifier: Apache-2.0

package zonemap

import (
	"fmt"
	"html"
	"io"
	"strings"

	"zqublkd/zoned"
)

// Measures of the picture, in pixels.
const (
	svgCell    = 14
	svgGap     = 2
	svgColumns = 64
	svgMargin  = 10
	svgText    = 16
	svgMost    = 1 << 14 // cells
	svgLegends = 2       // lines of the legend, at most
	svgWidth   = 2*svgMargin + svgColumns*(svgCell+svgGap)

	// svgLetter is how the letter in a cell looks: readable on any colour, and without.
	svgLetter = `<style>.l{font-size:10px;text-anchor:middle;paint-order:stroke;stroke:white;stroke-width:2px}</style>`
)

// SVG draws the map as a picture with the given title.
func (m *Map) SVG(w io.Writer, title string) error {
	per := max((len(m.zones)+svgMost-1)/svgMost, 1)
	cells := m.cells(per)
	rows := (len(cells) + svgColumns - 1) / svgColumns
	top := svgMargin + 2*svgText
	height := top + rows*(svgCell+svgGap) + svgMargin + (svgLegends+2)*svgText
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">%s`+"\n",
		svgWidth, height, svgLetter)
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
	svgLetterAt(b, c.condition, x, y)
	b.WriteString("</g>\n")
}

// svgLetterAt writes the letter of a condition into the cell at x, y; empty zones are seen
// without.
func svgLetterAt(b *strings.Builder, c zoned.Condition, x, y int) {
	if c != zoned.Empty {
		fmt.Fprintf(b, `<text class="l" x="%d" y="%d">%c</text>`, x+svgCell/2, y+svgCell-4, lookOf(c).letter)
	}
}

func (m *Map) svgLegend(b *strings.Builder, y int) {
	each, open, active := m.count()
	x := svgMargin
	for _, c := range order {
		if each[c] == 0 {
			continue
		}
		text := fmt.Sprintf("%s: %d", words(c), each[c])
		width := svgCell + 20 + 7*len(text)
		if x+width > svgWidth {
			x, y = svgMargin, y+svgText+2
		}
		fmt.Fprintf(b, `<rect x="%d" y="%d" width="%d" height="%d" fill="%s"/><text x="%d" y="%d">%s</text>`,
			x, y-svgCell+3, svgCell, svgCell, lookOf(c).rgb, x+svgCell+4, y, text)
		svgLetterAt(b, c, x, y-svgCell+3)
		b.WriteByte('\n')
		x += width
	}
	fmt.Fprintf(b, `<text x="%d" y="%d">open %s, active %s</text>`+"\n", svgMargin, y+svgText+4,
		ofLimit(open, m.limits.MaxOpen), ofLimit(active, m.limits.MaxActive))
}
