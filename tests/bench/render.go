package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// render makes benchmarks.md and a picture for each kernel, beside the folder
// of the JSON files given.
func render(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("usage: bench render FOLDER")
	}
	files, err := filepath.Glob(filepath.Join(args[0], "*.json"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("no results in %s: %v", args[0], err)
	}
	slices.Sort(files)
	var text strings.Builder
	text.WriteString(preface)
	for _, file := range files {
		r, err := readReport(file)
		if err != nil {
			return err
		}
		picture := strings.TrimSuffix(filepath.Base(file), ".json") + ".svg"
		if err := os.WriteFile(filepath.Join(args[0], picture), []byte(chart(r)), 0o644); err != nil {
			return err
		}
		fmt.Fprintf(&text, "\n## Linux %s\n\n%s; %d rounds of %s for each cell.\n\n![ratios](%s)\n", r.Kernel, r.Machine, r.Rounds, r.Runtime,
			filepath.Join(filepath.Base(args[0]), picture))
		r.tables(&text)
	}
	return os.WriteFile(filepath.Join(args[0], "..", "benchmarks.md"), []byte(text.String()), 0o644)
}

const preface = `# Benchmarks

Made by ` + "`make bench`" + `: one boot for each kernel, all contenders up at the same time, taking
turns in every round; scheduler none for all. Cells: median of the rounds, thousand requests a
second, and in brackets the processor time of the server for each request (microseconds). The
machine is emulated: compare the columns of one row, nothing else. Writes go to space that the
file under the disk does not have yet, for everybody.
`

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

func storeOf(c cell) string     { return c.Store }
func workloadOf(c cell) string  { return c.Workload }
func contenderOf(c cell) string { return c.Contender }

// tables writes one table for each store.
func (r report) tables(text *strings.Builder) {
	for _, store := range r.unique("", storeOf) {
		who := r.unique(store, contenderOf)
		fmt.Fprintf(text, "\n### %s\n\n| | %s |\n|---%s|\n", store, strings.Join(who, " | "), strings.Repeat("|---", len(who)))
		for _, work := range r.unique(store, workloadOf) {
			fmt.Fprintf(text, "| %s |", work)
			for _, name := range who {
				text.WriteString(" " + r.text(store, work, name) + " |")
			}
			text.WriteString("\n")
		}
	}
}

func (r report) text(store, work, who string) string {
	c, ok := r.find(store, work, who)
	if !ok {
		return ""
	}
	if cpu := c.median(func(m measurement) float64 { return m.CPU }); cpu > 0 {
		return fmt.Sprintf("%.1f (%.0f)", c.median(kiops), cpu)
	}
	return fmt.Sprintf("%.1f", c.median(kiops))
}
