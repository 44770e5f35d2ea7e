// SPDX-License-Identifier: Apache-2.0

package check

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"zqublkd/internal/printable"
	"zqublkd/qcow2/format"
)

// Severity is how bad a finding is.
type Severity uint8

const (
	Note       Severity = iota // worth knowing, no harm
	Leak                       // space is wasted, data is safe
	Corruption                 // data is or may become wrong
)

func (s Severity) String() string {
	switch s {
	case Note:
		return "note"
	case Leak:
		return "leak"
	}
	return "corruption"
}

// MarshalText makes the name the JSON form.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Finding is one thing the check has found.
type Finding struct {
	Severity Severity `json:"severity"`
	Offset   uint64   `json:"offset"` // byte offset in the image file
	Text     string   `json:"text"`
}

func (f Finding) String() string { return f.Severity.String() + ": " + f.Text }

// Report is the outcome of Check. JSON names are those of qemu-img check,
// where it has the field.
type Report struct {
	Corruptions      uint64 `json:"corruptions"`
	Leaks            uint64 `json:"leaks"` // clusters
	CorruptionsFixed uint64 `json:"corruptions-fixed"`
	LeaksFixed       uint64 `json:"leaks-fixed"`
	NotesFixed       uint64 `json:"notes-fixed"`

	// CheckErrors is 1 if the check could not be completed: what is not in the
	// report may be wrong all the same.
	CheckErrors uint64 `json:"check-errors"`

	// Clusters of the virtual disk, and how many of them are stored.
	TotalClusters      uint64 `json:"total-clusters"`
	AllocatedClusters  uint64 `json:"allocated-clusters"`
	FragmentedClusters uint64 `json:"fragmented-clusters"`
	CompressedClusters uint64 `json:"compressed-clusters"`

	// ZoneTableClusters, those of the counter table too, are in rightful use, but leaks
	// to programs that don't know the extensions.
	ZoneTableClusters uint64 `json:"zone-table-clusters"`

	ClusterSize    uint64 `json:"cluster-size"`     // bytes
	ImageEndOffset uint64 `json:"image-end-offset"` // bytes: end of the last cluster in use
	FileSize       uint64 `json:"file-size"`        // bytes
	Dirty          bool   `json:"dirty"`
	MarkedCorrupt  bool   `json:"marked-corrupt"`

	// Findings in the order found; Omitted more were counted only.
	Findings []Finding `json:"findings,omitempty"`
	Omitted  uint64    `json:"findings-omitted,omitempty"`

	max   int
	notes uint64
}

// Exit statuses of a check, as qemu-img check has them.
const (
	CheckClean   = 0
	CheckFailed  = 1 // the check could not be completed
	CheckCorrupt = 2
	CheckLeaks   = 3
)

// ExitCode is the exit status that fits the report.
func (r *Report) ExitCode() int {
	switch {
	case r.CheckErrors > 0:
		return CheckFailed
	case r.Corruptions > 0:
		return CheckCorrupt
	case r.Leaks > 0:
		return CheckLeaks
	}
	return CheckClean
}

// Clean says that a completed check found neither corruptions nor leaks.
func (r *Report) Clean() bool { return r.CheckErrors == 0 && r.Corruptions == 0 && r.Leaks == 0 }

// described says whether the header could be read; without it there are no numbers.
func (r *Report) described() bool { return r.ClusterSize != 0 }

func (r *Report) describe(h *format.Header, fileSize uint64) {
	r.ClusterSize = h.ClusterSize()
	r.TotalClusters = format.DivUp(h.Size, r.ClusterSize)
	r.FileSize = fileSize
	r.Dirty = h.Incompatible&format.IncompatDirty != 0
	r.MarkedCorrupt = h.Incompatible&format.IncompatCorrupt != 0
}

func (r *Report) add(s Severity, off uint64, format string, args ...any) {
	if !r.countOnly(s) {
		r.Findings = append(r.Findings, Finding{s, off, fmt.Sprintf(format, args...)})
	}
}

// countOnly counts a finding and reports whether that is all: the list is full.
// There may be millions, and what is not listed need not be put in words.
func (r *Report) countOnly(s Severity) bool {
	switch s {
	case Corruption:
		r.Corruptions++
	case Leak:
		r.Leaks++
	case Note:
		r.notes++
	}
	if len(r.Findings) < r.max {
		return false
	}
	r.Omitted++
	return true
}

// fixedSince counts what an earlier report had and this one has no more.
func (r *Report) fixedSince(before *Report) {
	r.CorruptionsFixed = before.Corruptions - min(r.Corruptions, before.Corruptions)
	r.LeaksFixed = before.Leaks - min(r.Leaks, before.Leaks)
	r.NotesFixed = before.notes - min(r.notes, before.notes)
}

// WriteText prints the report for people.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintln(&b, printable.Text(f.String()))
	}
	if r.Omitted > 0 {
		fmt.Fprintf(&b, "and %d findings more\n", r.Omitted)
	}
	r.writeFixed(&b)
	r.writeVerdict(&b)
	if r.described() {
		r.writeNumbers(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Report) writeFixed(b *strings.Builder) {
	if n := r.CorruptionsFixed + r.LeaksFixed + r.NotesFixed; n > 0 {
		fmt.Fprintf(b, "Repaired: %d corruptions, %d leaked clusters, %d other findings.\n",
			r.CorruptionsFixed, r.LeaksFixed, r.NotesFixed)
	}
}

func (r *Report) writeVerdict(b *strings.Builder) {
	if r.CheckErrors > 0 {
		fmt.Fprintln(b, "The check could not be completed: whether the image is sound is not known.")
	}
	if r.Clean() {
		fmt.Fprintln(b, "The image is sound: no corruptions, no leaks.")
	}
	if r.Corruptions > 0 {
		fmt.Fprintf(b, "%d corruptions: data may be wrong, and writing to the image may harm more of it.\n", r.Corruptions)
	}
	if r.Leaks > 0 {
		fmt.Fprintf(b, "%d leaked clusters: they waste space in the file; no data is at risk.\n", r.Leaks)
	}
	if r.Dirty {
		fmt.Fprintln(b, "The image is marked dirty: it was not closed cleanly.")
	}
	if r.MarkedCorrupt {
		fmt.Fprintln(b, "The image is marked corrupt.")
	}
}

func (r *Report) writeNumbers(b *strings.Builder) {
	fmt.Fprintf(b, "%d/%d = %.2f%% allocated, %.2f%% fragmented, %.2f%% compressed clusters\n",
		r.AllocatedClusters, r.TotalClusters, percent(r.AllocatedClusters, r.TotalClusters),
		percent(r.FragmentedClusters, r.AllocatedClusters), percent(r.CompressedClusters, r.AllocatedClusters))
	if r.ZoneTableClusters > 0 {
		fmt.Fprintf(b, "Zone table: %d clusters, which programs that don't know zones call leaked\n", r.ZoneTableClusters)
	}
	fmt.Fprintf(b, "Image end offset: %d\n", r.ImageEndOffset)
}

func percent(part, whole uint64) float64 {
	if whole == 0 {
		return 0
	}
	return 100 * float64(part) / float64(whole)
}

// WriteJSON prints the report as one JSON object.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "    ")
	return e.Encode(r)
}
