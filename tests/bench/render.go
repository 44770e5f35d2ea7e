// SPDX-License-Identifier: Apache-2.0

package main

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// preface says how to read the figures.
//
//go:embed preface.md
var preface string

// render makes benchmarks.md and a picture for each kernel, beside the folder
// of the JSON files given.
func render(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("usage: bench render FOLDER")
	}
	kernels, reports, err := readReports(args[0])
	if err != nil {
		return err
	}
	var text strings.Builder
	text.WriteString(preface)
	text.WriteString("\n## Gates\n\n")
	gateTable(&text, kernels, reports)
	for _, kernel := range kernels {
		r := reports[kernel]
		picture := filepath.Join(args[0], kernel+".svg")
		if err := os.WriteFile(picture, []byte(chart(r)), 0o644); err != nil {
			return err
		}
		fmt.Fprintf(&text, "\n## %s\n\n![ratios](%s)\n\n", kernel, filepath.Join(filepath.Base(args[0]), kernel+".svg"))
		r.boots(&text)
		r.tables(&text)
	}
	return os.WriteFile(filepath.Join(args[0], "..", "benchmarks.md"), []byte(text.String()), 0o644)
}

// readReports reads all reports of a folder, by kernel.
func readReports(dir string) (kernels []string, reports map[string]report, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) == 0 {
		return nil, nil, fmt.Errorf("no results in %s: %w", dir, err)
	}
	slices.Sort(files)
	reports = map[string]report{}
	for _, file := range files {
		kernel := strings.TrimSuffix(filepath.Base(file), ".json")
		kernels = append(kernels, kernel)
		if reports[kernel], err = readReport(file); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	return kernels, reports, nil
}

// boots says what the figures are of. Where there are several, a letter leads
// from a line to its boot.
func (r report) boots(text *strings.Builder) {
	for i, b := range r.Boots {
		fmt.Fprintf(text, "- %s: %s, commit %s, Linux %s, %s; %d rounds of %s; %s\n", letter(i), b.Date, b.Commit, b.Kernel, b.Machine, b.Rounds, b.Each, b.Versions)
	}
}

func letter(i int) string { return string(rune('a' + i%26)) }

// unique lists a field of the cells, each value once, in their order.
func (r report) unique(store string, of func(cell) string) []string {
	var list []string
	for _, c := range r.Cells {
		if v := of(c); (store == "" || c.Store == store) && !slices.Contains(list, v) {
			list = append(list, v)
		}
	}
	return list
}

func storeOf(c cell) string    { return c.Store }
func workloadOf(c cell) string { return c.Workload }

// tables writes one table for each store.
func (r report) tables(text *strings.Builder) {
	for _, store := range r.unique("", storeOf) {
		fmt.Fprintf(text, "\n### %s, %s\n\n| | | k/s (rounds) | zqublkd to it | CPU us | switches | calls | p99 us | boot |\n|---|---|---|---|---|---|---|---|---|\n",
			r.Boots[0].Kernel, store)
		for _, work := range r.unique(store, workloadOf) {
			r.lines(text, store, work)
		}
	}
}

// lines are those of a workload.
func (r report) lines(text *strings.Builder, store, work string) {
	mine, _ := r.base(store, work)
	first := work
	for _, c := range r.Cells {
		if c.Store == store && c.Workload == work {
			fmt.Fprintf(text, "| %s | %s | %s | %s |\n", first, c.Contender, c.figures(mine), letter(r.bootOf(c)))
			first = ""
		}
	}
}

// base is what others are compared with: ours, or the kind of ours that runs
// the workload.
func (r report) base(store, work string) (cell, bool) {
	if c, ok := r.find(store, side{ours, work}); ok {
		return c, true
	}
	i := slices.IndexFunc(r.Cells, func(c cell) bool {
		return c.Store == store && c.Workload == work && strings.HasPrefix(c.Contender, ours+",")
	})
	if i < 0 {
		return cell{}, false
	}
	return r.Cells[i], true
}

func (r report) bootOf(c cell) int {
	return slices.IndexFunc(r.Boots, func(b boot) bool { return b.ID == c.Boot })
}

// figures of a cell, and how we compare.
func (c cell) figures(mine cell) string {
	ratio := ""
	if v, ok := compare(mine, c, kiops); ok && mine.Contender != c.Contender {
		ratio = fmt.Sprintf("%.2f", v.ratio)
	}
	low, high := c.median(kiops), 0.0
	for _, m := range c.Rounds {
		low, high = min(low, m.KIOPS), max(high, m.KIOPS)
	}
	return fmt.Sprintf("%s (%s to %s) | %s | %s | %s | %s | %s", short(c.median(kiops)), short(low), short(high), ratio,
		known(c.median(cpu)), known(c.median(func(m measurement) float64 { return m.Switches })),
		known(c.median(func(m measurement) float64 { return m.Calls })),
		known(c.median(func(m measurement) float64 { return m.P99 })))
}

// known is a figure that 0 stands for not having.
func known(x float64) string {
	if x == 0 {
		return ""
	}
	return short(x)
}

// short is x in about three digits.
func short(x float64) string {
	if x >= 100 {
		return fmt.Sprintf("%.0f", x)
	}
	return fmt.Sprintf("%.3g", x)
}
