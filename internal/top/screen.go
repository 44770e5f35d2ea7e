// SPDX-License-Identifier: Apache-2.0

package top

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"charm.land/lipgloss/v2"

	"zqublkd/internal/printable"
	"zqublkd/internal/tally"
)

// Options of a screen.
type Options struct {
	Width  int // columns; below 80 lines are cut
	Height int // lines; 0: as many as there are
	Colour bool
}

var (
	bold = lipgloss.NewStyle().Bold(true)
	bad  = lipgloss.NewStyle().Bold(true).Foreground(lipgloss.Color("9"))
	dim  = lipgloss.NewStyle().Foreground(lipgloss.Color("8"))
)

// painter writes the lines of a screen.
type painter struct {
	Options
	lines []string
}

func (p *painter) style(s lipgloss.Style, text string) string {
	if !p.Colour {
		return text
	}
	return s.Render(text)
}

func (p *painter) line(format string, args ...any) {
	p.lines = append(p.lines, fmt.Sprintf(format, args...))
}

// text cuts all lines to the screen.
func (p *painter) text() string {
	if p.Height > 0 && len(p.lines) > p.Height {
		p.lines = p.lines[:p.Height]
	}
	cut := lipgloss.NewStyle().MaxWidth(p.Width)
	var b strings.Builder
	for _, l := range p.lines {
		b.WriteString(strings.TrimRight(cut.Render(l), " ") + "\n")
	}
	return b.String()
}

// Screen draws device number k of v.
func Screen(v View, k int, o Options) string {
	p := &painter{Options: o}
	if p.Width == 0 {
		p.Width = 80
	}
	if len(v.Devices) == 0 {
		p.line("zqublkd top  %s  no device is served", v.Time.Format(time.TimeOnly))
		return p.text()
	}
	k = min(max(k, 0), len(v.Devices)-1)
	d := v.Devices[k]
	p.line("%s  %s  device %d of %d", p.style(bold, "zqublkd top"), v.Time.Format(time.TimeOnly), k+1, len(v.Devices))
	p.header(v, d)
	if d.Stats == nil {
		p.line("")
		p.line("%s: see `zqublkd list`", p.style(bad, "no numbers, its daemon is "+d.State))
		return p.text()
	}
	p.operations(d)
	p.queues(d.Stats)
	if d.Stats.Zones > 0 {
		p.slots(v.Time, d.Stats)
	}
	p.totals(d)
	p.heat(d)
	return p.text()
}

func (p *painter) header(v View, d Device) {
	kind, age := "", ""
	if s := d.Stats; s != nil {
		kind, age = "plain", ", for "+span(v.Time.Sub(s.Began))
		if s.Zones > 0 {
			kind = fmt.Sprintf("%d zones", s.Zones)
			if s.Detail != nil {
				kind += " of " + size(s.Detail.ZoneSize)
			}
		}
		kind += ", " + size(s.Image.Virtual) + ", "
	}
	p.line("%s %s: %s%s%s", p.style(bold, d.Device), printable.Text(d.Name), kind, d.State, age)
	p.line("%s", p.style(dim, printable.Text(d.Image)))
}

func (p *painter) operations(d Device) {
	p.line("")
	p.line("%s", p.style(bold, fmt.Sprintf("%-16s%10s%10s%10s%10s%9s", "", "IO/s", "MB/s", "p50", "p99", "failed")))
	for _, o := range d.Ops {
		failed := fmt.Sprintf("%9d", o.Failed)
		if o.Failed > 0 {
			failed = p.style(bad, failed)
		}
		p.line("%-16s%10s%10s%10s%10s%s", printable.Text(o.Op), rate(o.IOPS), rate(o.Bytes/1e6), micros(o.P50),
			micros(o.P99), failed)
	}
	if len(d.Ops) == 0 {
		p.line("nothing has been asked for yet")
	}
}

func (p *painter) queues(s *tally.Stats) {
	p.line("")
	p.line("%s", p.style(bold, "queue            in flight   waiting  for a request in zone"))
	for _, q := range s.Queues {
		notes := ""
		for _, z := range q.For {
			notes += fmt.Sprintf("%d ", z)
		}
		if q.Late > 0 {
			notes += fmt.Sprintf("(%d are held up by a fault) ", q.Late)
		}
		if q.Stuck {
			notes += p.style(bad, "stuck")
		}
		p.line("%-16d%10s%10d  %s", q.ID, fmt.Sprintf("%d/%d", q.InFlight, q.Depth), q.Waiting, notes)
	}
}

// shownHolders is how many zones with slots a screen has room for.
const shownHolders = 8

func (p *painter) slots(now time.Time, s *tally.Stats) {
	p.line("")
	head := fmt.Sprintf("slots: open %s, active %s",
		ofLimit(s.Open, s.Limits.Open), ofLimit(s.Active, s.Limits.Active))
	if full(s.Open, s.Limits.Open) || full(s.Active, s.Limits.Active) {
		head += p.style(bad, "  none left")
	}
	p.line("%s", head)
	for k, h := range s.Holders {
		if k == shownHolders {
			p.line("  and %d more", s.Active-k)
			break
		}
		since, written := "longer", "not written meanwhile"
		if !h.Since.IsZero() {
			since = span(now.Sub(h.Since))
		}
		if !h.Written.IsZero() {
			written = "written " + span(now.Sub(h.Written)) + " ago"
		}
		p.line("  zone %-6d%-15s%s, for %s", h.Zone, printable.Text(h.Condition), written, since)
	}
}

func (p *painter) totals(d Device) {
	s := d.Stats
	p.line("")
	p.line("cache %.1f %% hits   space %s of %s   recoveries %d   jobs %d", 100*d.CacheHits,
		size(s.Image.Allocated), size(s.Image.Virtual), s.Recoveries, s.Jobs)
	var rules []string
	for rule := range s.Errors {
		rules = append(rules, rule)
	}
	slices.SortFunc(rules, func(a, b string) int {
		if s.Errors[a] != s.Errors[b] {
			return int(s.Errors[b]) - int(s.Errors[a])
		}
		return strings.Compare(a, b)
	})
	for _, rule := range rules {
		p.line("%s", p.style(bad, fmt.Sprintf("refused since it began: %d, %s", s.Errors[rule], printable.Text(rule))))
	}
}

func full(n int, limit uint32) bool { return limit > 0 && n >= int(limit) }

func ofLimit(n int, limit uint32) string {
	if limit == 0 {
		return strconv.Itoa(n)
	}
	return fmt.Sprintf("%d of %d", n, limit)
}
