// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"zqublkd/internal/imagefile"
	"zqublkd/internal/output"
	"zqublkd/qcow2/format"
)

// longVerbs are those that take long with a large image: what they are called with, in the
// folder that newLongFolder makes.
var longVerbs = map[string]string{
	"import":          "--format raw -o zone.size=256K raw out",
	"export":          "z.qcow2 out",
	"convert":         "z.qcow2 out",
	"salvage":         "p.qcow2 out",
	"check":           "-r all p.qcow2",
	"amend":           "-o zone.revision=v14 z.qcow2",
	"resize":          "p.qcow2 4M",
	"compact":         "p.qcow2",
	"commit":          "--allow-backing top.qcow2",
	"rebase":          "--allow-backing -b  top.qcow2", // over nothing
	"snapshot create": "p.qcow2 new",
	"snapshot apply":  "p.qcow2 old",
	"snapshot delete": "p.qcow2 old",
}

// otherVerbs are the rest: they look at little, or go on until somebody ends them.
var otherVerbs = strings.Fields(`add bench create del errors fault-add fault-clear fault-list features generate help info
	list map metrics powercut recover replay report reset-to-base serve share snapshot-list top trace unshare upgrade
	zone-finish zone-list zone-reset zone-set zones`)

// TestLongVerbsAreListed: whoever adds a verb says whether it takes long.
func TestLongVerbsAreListed(t *testing.T) {
	seen := 0
	var walk func(c *cobra.Command, name string)
	walk = func(c *cobra.Command, name string) {
		if c.Hidden || c.Name() == "completion" {
			return
		}
		for _, sub := range c.Commands() {
			walk(sub, strings.TrimSpace(name+" "+sub.Name()))
		}
		_, long := longVerbs[name]
		switch other := slices.Contains(otherVerbs, strings.ReplaceAll(name, " ", "-")); {
		case c.HasSubCommands():
		case long == other:
			t.Errorf("%s: must be one of longVerbs or of otherVerbs", name)
		default:
			seen++
		}
	}
	walk(newRoot(), "")
	if want := len(longVerbs) + len(otherVerbs) - 1; seen < want { // help is made when it is asked for
		t.Errorf("%d verbs of %d are there", seen, want)
	}
}

// longFolder is a folder of images of several tables each, and what they read as.
type longFolder struct {
	dir   string
	disks map[string][]byte
}

// clone makes a copy of the folder the working directory.
func (l longFolder) clone(t *testing.T) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "clone")
	if err := os.CopyFS(dir, os.DirFS(l.dir)); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
}

func newLongFolder(t *testing.T) longFolder {
	t.Helper()
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.WriteFile("raw", bytes.Repeat([]byte("some data "), 300<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	mustRun(t, "import", "-q", "--format", "raw", "-o", "zone.size=256K,cluster_size=512", "raw", "z.qcow2")
	mustRun(t, "create", "-q", "-o", "cluster_size=512", "p.qcow2", "3M")
	fill(t, "p.qcow2", 1)
	mustRun(t, "snapshot", "create", "-q", "p.qcow2", "old")
	fill(t, "p.qcow2", 2)
	mustRun(t, "create", "-q", "-o", "zone.mode=host-managed,zone.size=1M", "base.qcow2", "8M")
	mustRun(t, "create", "-q", "-b", "base.qcow2", "top.qcow2")
	fill(t, "top.qcow2", 3)
	return longFolder{dir, longDisks(t)}
}

// longDisks is what the images read as.
func longDisks(t *testing.T) map[string][]byte {
	t.Helper()
	disks := map[string][]byte{}
	names, err := filepath.Glob("*.qcow2")
	for _, name := range names {
		if name != "base.qcow2" { // a commit may have begun to write to it
			disks[name] = diskOf(t, name)
		}
		mustRun(t, "check", "-q", name)
	}
	if err != nil || len(disks) != 3 {
		t.Fatal(names, err)
	}
	return disks
}

// fill writes most of the first half of each MiB.
func fill(t *testing.T, name string, b byte) {
	t.Helper()
	o, err := imagefile.Open(name, imagefile.Options{AllowBacking: true})
	if err != nil {
		t.Fatal(err)
	}
	const n = 400 << 10
	for at := uint64(0); at < o.Image.VirtualSize(); at += 1 << 20 {
		err = errors.Join(err, o.Image.WriteAt(bytes.Repeat([]byte{b}, n), at))
		if o.Image.Zoned() != nil {
			err = errors.Join(err, o.Image.WriteZoneSlots([]format.ZoneSlot{{Zone: uint32(at >> 20), WP: at + n}}))
		}
	}
	if err := errors.Join(err, o.Image.Close(), o.Close()); err != nil {
		t.Fatal(err)
	}
}

func longArgs(verb string) []string {
	return append(strings.Fields(verb), strings.Split(longVerbs[verb], " ")...)
}

// TestLongVerbsTell: each says how far it is, and is quiet where that is wanted.
func TestLongVerbsTell(t *testing.T) {
	old := output.Every
	output.Every = 0
	defer func() { output.Every = old }()
	folder := newLongFolder(t)
	for verb := range longVerbs {
		t.Run(verb, func(t *testing.T) {
			folder.clone(t)
			if text := mustRun(t, longArgs(verb)...); !strings.Contains(text, "zqublkd: "+verb+": ") || strings.Count(text, "% of ") < 2 {
				t.Errorf("it said %q", text)
			}
		})
		t.Run(verb+" -q", func(t *testing.T) {
			folder.clone(t)
			if text := mustRun(t, append(longArgs(verb), "-q")...); text != "" {
				t.Errorf("it said %q", text)
			}
		})
	}
}

// TestLongVerbsInterrupted: a signal that comes when a verb has said for the first time how far
// it is ends it with the exit code of an interrupt; there is no file more, and each image reads
// as before and is sound.
func TestLongVerbsInterrupted(t *testing.T) {
	folder := newLongFolder(t)
	for verb := range longVerbs {
		for _, sig := range []unix.Signal{unix.SIGINT, unix.SIGTERM} {
			t.Run(verb+", "+unix.SignalName(sig), func(t *testing.T) {
				folder.clone(t)
				files, err := os.ReadDir(".")
				if err != nil {
					t.Fatal(err)
				}
				says, err := interrupted(t, sig, longArgs(verb)...)
				var exit *exec.ExitError
				if !errors.As(err, &exit) || exit.ExitCode() != exitInterrupted || !strings.Contains(says, "interrupted: ") {
					t.Errorf("%v: %s", err, says)
				}
				if left, err := os.ReadDir("."); err != nil || len(left) != len(files) {
					t.Errorf("left: %v, %v", left, err)
				}
				for name, disk := range longDisks(t) {
					if !bytes.Equal(disk, folder.disks[name]) {
						t.Errorf("%s reads otherwise", name)
					}
				}
			})
		}
	}
}

// interrupted runs the program until it says for the first time how far it is, sends the signal,
// and lets it go on when the signal has come: until then what it says meets a full pipe.
func interrupted(t *testing.T, sig unix.Signal, args ...string) (string, error) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	size, err := unix.FcntlInt(w.Fd(), unix.F_SETPIPE_SZ, os.Getpagesize())
	if err == nil {
		_, err = w.Write(bytes.Repeat([]byte{'\n'}, size))
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), everyStep+"=1")
	cmd.Stderr = w
	err = cmd.Start()
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	waitFor(t, "the first progress", func() bool { return writers(t, cmd.Process.Pid) == 1 })
	if err := cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the signal", func() bool { return writers(t, cmd.Process.Pid) == 2 })
	said, err := io.ReadAll(r)
	return strings.TrimSpace(string(said)), errors.Join(err, cmd.Wait())
}

// writers is how many threads of a process wait for its standard error.
func writers(t *testing.T, pid int) (n int) {
	t.Helper()
	calls, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/syscall")
	if err != nil || len(calls) == 0 {
		t.Fatalf("process %d: %v", pid, err)
	}
	for _, call := range calls {
		if b, err := os.ReadFile(call); err == nil && strings.HasPrefix(string(b), strconv.Itoa(unix.SYS_WRITE)+" 0x2 ") {
			n++
		}
	}
	return n
}
