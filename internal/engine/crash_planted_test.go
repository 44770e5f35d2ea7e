// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// plantedBug is a mistake in the order of things that the crash test must
// notice. It is planted in a copy of the sources, never in the program.
type plantedBug struct {
	name     string
	workload string // that shows it within few states
	file     string // from the top of the sources
	old, new string // new: with BUG for the condition that it is planted
}

// commitBugs are those of commit and rebase, for TestCrashCommit.
var commitBugs = []plantedBug{
	{"write pointers before the data", "commit", "internal/overlay/commit.go",
		"\tif err := m.copy(); err != nil {\n",
		"\tif BUG {\n\t\tm.zones(base)\n\t}\n\tif err := m.copy(); err != nil {\n"},
	{"write pointers before the data is durable", "commit", "internal/overlay/commit.go",
		"if err := base.Sync(); err != nil || top",
		"if err := unless(BUG, base.Sync); err != nil || top"},
	{"write pointers all at once", "commit", "internal/overlay/commit.go",
		"\tif err := writeSlots(base, ends); err != nil {",
		"\tif BUG {\n\t\tends, between = nil, append(ends, between...)\n\t}\n\tif err := writeSlots(base, ends); err != nil {"},
	{"zeros are not committed", "commit", "internal/overlay/commit.go",
		"case qcow2.Zero:\n",
		"case qcow2.Zero:\n\t\tif BUG {\n\t\t\treturn nil\n\t\t}\n"},
	{"another backing file before the copies are durable", "rebase", "internal/overlay/rebase.go",
		"\treturn img.Sync()\n",
		"\treturn unless(BUG, img.Sync)\n"},
	{"what reads as zeros does not hide the new backing file", "rebase", "internal/overlay/rebase.go",
		"case format.IsZero(old):\n",
		"case format.IsZero(old) && BUG:\n\t\treturn nil\n\tcase format.IsZero(old):\n"},
}

var plantedBugs = []plantedBug{
	{"write pointer before data", "writes in several zones", "internal/engine/durability.go",
		"\terr := t.img.Sync()\n\tif err == nil {",
		"\tif BUG {\n\t\tt.img.WriteZoneSlots(slots)\n\t}\n\terr := t.img.Sync()\n\tif err == nil {"},
	{"write pointer taken after the sync", "everything at once", "internal/engine/durability.go",
		"\terr := t.img.Sync()\n",
		"\terr := t.img.Sync()\n\tif BUG {\n\t\tslots = t.moved(slots)\n\t}\n"},
	{"no sync before the write pointer", "writes in several zones", "internal/engine/durability.go",
		"\terr := t.img.Sync()\n",
		"\terr := unless(BUG && len(slots) > 0, t.img.Sync)\n"},
	{"write pointers of full and begun zones in one", "zones full one after the other", "internal/engine/durability.go",
		"t.part+len(begun) > t.limit() {",
		"t.part+len(begun) > t.limit() && !(BUG) {"},
	{"finish without zeroing its tail", "finish of part-written zones", "internal/engine/durability.go",
		"if err := t.img.MakeZero(wp, end-wp); err != nil {",
		"if err := unless(BUG, func() error { return t.img.MakeZero(wp, end-wp) }); err != nil {"},
	{"L2 before refcount", "mix, clusters of 512", "qcow2/ensure.go",
		"err = i.datasync()",
		"err = unless(BUG, i.datasync)"},
	{"reuse before the free is durable", "mix, compressed clusters", "qcow2/image.go",
		"dead := i.frees.take()",
		"dead := i.frees.take()\n\tif BUG {\n\t\ti.release(dead)\n\t\tdead = nil\n\t}"},
	{"punch reported as done but not done", "finish of part-written zones", "qcow2/zero.go",
		"if i.data.PunchHole(",
		"if BUG || i.data.PunchHole("},
	{"dirty bit with the refcounts", "reset and rewrite", "qcow2/ensure.go",
		"i.markDirty()",
		"unless(BUG, i.markDirty)"},
	{"open believes the page cache after a failed sync", "syncs fail on a plain disk", "qcow2/open.go",
		"if err := storage.SettleAll(f, o.Data); err != nil {",
		"if err := unless(BUG, func() error { return storage.SettleAll(f, o.Data) }); err != nil {"},
	{"the next daemon does not settle", "killed, compressed clusters", "internal/storage/settle.go",
		"if err := f.Settle(); err != nil {",
		"if err := unless(BUG, f.Settle); err != nil {"},
	{"copies on write through the page cache", "past the page cache of a device", "internal/storage/way.go",
		"if w.direct < 0 {\n\t\treturn w.file.WriteAt(p, off)",
		"if w.direct < 0 || BUG {\n\t\treturn w.file.WriteAt(p, off)"},
	{"a reset of all that has failed leaves slots", "resets without room", "internal/engine/durability.go",
		"t.img.ReplaceZoneSlots(slots, t.saved.get); err != nil {",
		"unless(!(BUG), func() error { return t.img.WriteZoneSlots(slots) }); err != nil {\n\t\treturn err\n\t} else if err := unless(BUG, func() error { return t.img.ReplaceZoneSlots(slots, t.saved.get) }); err != nil {"},
	{"sweep leaves what shows from below", "overlay, resets", "internal/engine/sweep.go",
		"stale, err := d.holdsData(e)",
		"stale, err := d.holdsData(e)\n\t\t\tstale = stale && !(BUG && e.Layer > 0)"},
	{"zeros do not hide what is below", "overlay, resets", "qcow2/zero.go",
		"err != nil || below.Kind == Zero {",
		"err != nil || below.Kind == Zero || BUG {"},
	{"a cluster is not copied up", "overlay, resets", "qcow2/placementfill.go",
		"if err := i.readMapping(buf, 0, ch.cluster, ch.old); err != nil {",
		"if err := unless(BUG, func() error { return i.readMapping(buf, 0, ch.cluster, ch.old) }); err != nil {"},
}

// plantedSource is added to each package that has bugs planted. unless leaves f
// out if a bug is planted.
const plantedSource = `package %s

import "os"

var planted = os.Getenv("PLANTED_BUG")

func unless(bug bool, f func() error) error {
	if bug {
		return nil
	}
	return f()
}
`

// TestPlantedBugs sees the crash test fail with each of the bugs, and pass with
// none. They are all in one build, in which an environment variable turns one on.
func TestPlantedBugs(t *testing.T) {
	program := buildPlanted(t)
	see := func(test string, b plantedBug) {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			if out, err := runPlanted(program, test, "", b.workload, 1); err != nil {
				t.Errorf("without the bug: %v\n%s", err, out)
			}
			// What takes two requests to meet may take more than one workload.
			for seed := 1; seed <= 25; seed++ {
				out, err := runPlanted(program, test, b.name, b.workload, seed)
				if err != nil && strings.Contains(out, "power cut after") {
					t.Log(out)
					return
				}
			}
			t.Error("not noticed")
		})
	}
	for _, b := range plantedBugs {
		see("TestCrash", b)
	}
	for _, b := range commitBugs {
		see("TestCrashCommit", b)
	}
}

func runPlanted(program, test, bug, workload string, seed int) (string, error) {
	cmd := exec.Command(program, "-test.run=^"+test+"$", "-crash.states=400", "-crash.only="+workload, fmt.Sprintf("-crash.seed=%d", seed))
	cmd.Env = append(os.Environ(), "PLANTED_BUG="+bug)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// buildPlanted builds this package's tests with all bugs in it.
func buildPlanted(t *testing.T) string {
	top, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	add := func(path, source string) {
		file := filepath.Join(dir, strings.ReplaceAll(path, "/", "_"))
		if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
			t.Fatal(err)
		}
		overlay.Replace[filepath.Join(top, path)] = file
	}
	for path, source := range plantedSources(t, top) {
		add(path, source)
		pkg := filepath.Dir(path)
		add(filepath.Join(pkg, "planted.go"), fmt.Sprintf(plantedSource, filepath.Base(pkg)))
	}
	list, _ := json.Marshal(overlay)
	if err := os.WriteFile(filepath.Join(dir, "overlay"), list, 0o600); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "planted.test")
	if out, err := exec.Command("go", "test", "-c", "-overlay", filepath.Join(dir, "overlay"), "-o", program).CombinedOutput(); err != nil {
		t.Fatalf("build with bugs: %v\n%s", err, out)
	}
	return program
}

// plantedSources are the changed sources by path. Each bug must find its place.
func plantedSources(t *testing.T, top string) map[string]string {
	sources := map[string]string{}
	for _, b := range slices.Concat(plantedBugs, commitBugs) {
		source, ok := sources[b.file]
		if !ok {
			raw, err := os.ReadFile(filepath.Join(top, b.file))
			if err != nil {
				t.Fatal(err)
			}
			source = string(raw)
		}
		if n := strings.Count(source, b.old); n != 1 {
			t.Fatalf("%s: found %d times in %s: %q", b.name, n, b.file, b.old)
		}
		text := strings.ReplaceAll(b.new, "BUG", fmt.Sprintf("planted == %q", b.name))
		sources[b.file] = strings.Replace(source, b.old, text, 1)
	}
	return sources
}
