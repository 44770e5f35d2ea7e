// SPDX-License-Identifier: Apache-2.0

package top

import (
	"context"
	"errors"
	"os"
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"

	"zqublkd/internal/metrics"
)

// Take takes a sample.
func Take(source metrics.Source) (Sample, error) {
	list, err := source()
	return Sample{time.Now(), list}, err
}

// Run shows the devices of source until somebody presses q or ctx ends.
func Run(ctx context.Context, source metrics.Source, every time.Duration) error {
	m := live{source: source, every: every, colour: os.Getenv("NO_COLOR") == ""}
	end, err := tea.NewProgram(m, tea.WithContext(ctx)).Run()
	if errors.Is(err, tea.ErrInterrupted) || errors.Is(err, tea.ErrProgramKilled) && ctx.Err() != nil {
		return nil
	}
	if last, ok := end.(live); ok && err == nil {
		return last.err
	}
	return err
}

// live is the program: it takes a sample, shows what happened since the last, and
// waits. No sample is begun while one is being taken.
type live struct {
	source        metrics.Source
	every         time.Duration
	colour        bool
	before, now   Sample
	view          View
	shown         int
	paused        bool
	width, height int
	err           error
}

type (
	taken struct {
		Sample
		err error
	}
	again struct{}
)

// Init implements tea.Model.
func (m live) Init() tea.Cmd { return m.take }

func (m live) take() tea.Msg {
	s, err := Take(m.source)
	return taken{s, err}
}

// Update implements tea.Model.
func (m live) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case tea.KeyPressMsg:
		return m.key(msg.String())
	case again:
		if m.paused {
			return m, m.wait()
		}
		return m, m.take
	case taken:
		if m.err = msg.err; m.err != nil {
			return m, tea.Quit
		}
		was := m.view
		m.before, m.now = m.now, msg.Sample
		m.view = Between(m.before, m.now)
		m.shown = follow(was, m.view, m.shown)
		return m, m.wait()
	}
	return m, nil
}

// follow finds device number k of a view in the next one; if it is gone, the one in its place.
func follow(was, now View, k int) int {
	if k < len(was.Devices) {
		same := func(d Device) bool { return d.Device == was.Devices[k].Device }
		if at := slices.IndexFunc(now.Devices, same); at >= 0 {
			return at
		}
	}
	return min(k, max(0, len(now.Devices)-1))
}

func (m live) wait() tea.Cmd {
	return tea.Tick(m.every, func(time.Time) tea.Msg { return again{} })
}

func (m live) key(k string) (tea.Model, tea.Cmd) {
	n := max(1, len(m.view.Devices))
	switch k {
	case "q", "esc", "ctrl+c":
		return m, tea.Quit
	case "tab", "n", "right", "down":
		m.shown = (m.shown + 1) % n
	case "shift+tab", "p", "left", "up":
		m.shown = (m.shown + n - 1) % n
	case "space":
		m.paused = !m.paused
	}
	return m, nil
}

// View implements tea.Model.
func (m live) View() tea.View {
	text := Screen(m.view, m.shown, Options{Width: m.width, Height: max(0, m.height-1), Colour: m.colour})
	help := "q quits, Tab shows the next device, Space stops the clock"
	if m.paused {
		help = "the clock is stopped; Space lets it go on, q quits"
	}
	if m.view.Time.IsZero() {
		text, help = "", "looking at the devices"
	}
	v := tea.NewView(text + help)
	v.AltScreen = true
	return v
}
