// SPDX-License-Identifier: Apache-2.0

package zonemap

import (
	"fmt"
	"io"
	"math"
	"strings"

	"charm.land/lipgloss/v2"

	"zqublkd/zoned"
)

// TextOptions say for what terminal a map is.
type TextOptions struct {
	Width int  // columns, at least 40; 0: 80
	Rows  int  // at most, of cells; 0: 32
	Plain bool // letters only: a terminal without colour
	ASCII bool // and without block characters: the bar is a digit, tenths
}

var bars = []rune(" ▁▂▃▄▅▆▇█")

const (
	labelWidth = 9 // of the zone number before each row
	cellWidth  = 2
	minWidth   = 40 // narrower lines would break words
)

// Text draws the map for a terminal.
func (m *Map) Text(w io.Writer, o TextOptions) error {
	if o.Width <= 0 {
		o.Width = 80
	}
	o.Width = max(o.Width, minWidth)
	if o.Rows <= 0 {
		o.Rows = 32
	}
	columns := max((o.Width-labelWidth)/cellWidth&^7, 1)
	per := max((len(m.zones)+columns*o.Rows-1)/(columns*o.Rows), 1)
	var b strings.Builder
	m.heading(&b, per)
	for i, c := range m.cells(per) {
		if i%columns == 0 {
			if i > 0 {
				b.WriteByte('\n')
			}
			fmt.Fprintf(&b, "%*d  ", labelWidth-2, i*per)
		}
		b.WriteString(o.draw(c))
	}
	b.WriteByte('\n')
	m.legend(&b, o)
	_, err := io.WriteString(w, b.String())
	return err
}

func (m *Map) heading(b *strings.Builder, per int) {
	if len(m.zones) == 0 {
		return
	}
	z := m.zones[len(m.zones)-1]
	fmt.Fprintf(b, "%d zones of %s", len(m.zones), iec(m.zones[0].Length))
	if z.Capacity != z.Length {
		fmt.Fprintf(b, " (capacity %s)", iec(z.Capacity))
	}
	if per > 1 {
		fmt.Fprintf(b, ", %d in each cell", per)
	}
	b.WriteByte('\n')
}

// draw returns the two columns of a cell: the letter of its condition and how
// full it is.
func (o TextOptions) draw(c cell) string {
	l := lookOf(c.condition)
	text := string(rune(l.letter)) + o.bar(c)
	if o.Plain {
		if c.marked {
			return "*" + text[1:]
		}
		return text
	}
	style := lipgloss.NewStyle().Foreground(lipgloss.ANSIColor(l.ansi))
	if c.marked {
		style = style.Reverse(true)
	}
	return style.Render(text)
}

func (o TextOptions) bar(c cell) string {
	if o.ASCII {
		if c.fill == 0 {
			return " "
		}
		return string(rune('0' + min(int(c.fill*10), 9)))
	}
	level := int(math.Ceil(c.fill * float64(len(bars)-1)))
	return string(bars[min(level, len(bars)-1)])
}

func (m *Map) legend(b *strings.Builder, o TextOptions) {
	each, open, active := m.count()
	b.WriteByte('\n')
	column := 0
	for _, c := range order {
		if each[c] == 0 {
			continue
		}
		entry := fmt.Sprintf("%s %s: %d", o.draw(cell{condition: c, fill: sample(c)}), words(c), each[c])
		width := cellWidth + 1 + len(words(c)) + 2 + len(fmt.Sprint(each[c]))
		if column > 0 && column+width+3 > o.Width {
			b.WriteByte('\n')
			column = 0
		}
		if column > 0 {
			b.WriteString("   ")
			column += 3
		}
		b.WriteString(entry)
		column += width
	}
	fmt.Fprintf(b, "\nopen %s, active %s\n", ofLimit(open, m.limits.MaxOpen), ofLimit(active, m.limits.MaxActive))
	if n := len(m.marked); n > 0 {
		fmt.Fprintf(b, "marked (%s): %d zones\n", map[bool]string{true: "*", false: "reversed"}[o.Plain], n)
	}
}

// sample is how full the legend shows a condition.
func sample(c zoned.Condition) float64 {
	switch c {
	case zoned.NotWP, zoned.Empty:
		return 0
	case zoned.Full:
		return 1
	}
	return 0.5
}

func ofLimit(n int, limit uint32) string {
	if limit == 0 {
		return fmt.Sprintf("%d (no limit)", n)
	}
	return fmt.Sprintf("%d of %d", n, limit)
}

// iec prints bytes in the largest unit that is exact.
func iec(n uint64) string {
	units := "KMGTPE"
	unit := ""
	for i := 0; i < len(units) && n != 0 && n%1024 == 0; i++ {
		n, unit = n/1024, units[i:i+1]
	}
	return fmt.Sprint(n) + unit
}
