// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// bench is a folder with one image of the matrix.
type bench struct {
	*testing.T
	dir  string
	spec spec
	rng  *rand.Rand
}

const image = "image.qcow2"

// run runs a command in the folder, which must succeed.
func (b *bench) run(command string, args ...string) string {
	b.Helper()
	var out []byte
	patiently(b, func() (err error) {
		cmd := exec.Command(command, args...)
		cmd.Dir = b.dir
		if out, err = cmd.CombinedOutput(); err != nil {
			err = fmt.Errorf("%s %s: %v\n%s", command, strings.Join(args, " "), err, out)
		}
		return err
	}, func(error) bool {
		// The second: LUKS times itself, and finds that no time has passed.
		return bytes.Contains(out, []byte("lock")) || bytes.Contains(out, []byte("accurate CPU usage"))
	})
	return string(out)
}

// patiently does what must succeed. It tries again while the image is locked:
// a process that another test is about to start has our descriptors, and the
// locks with them, for a moment.
func patiently(b *bench, f func() error, locked func(error) bool) {
	b.Helper()
	end := time.Now().Add(10 * time.Second)
	err := f()
	for err != nil && locked(err) && time.Now().Before(end) {
		time.Sleep(20 * time.Millisecond)
		err = f()
	}
	if err != nil {
		b.Fatal(err)
	}
}

func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

func (b *bench) read(name string) []byte {
	b.Helper()
	data, err := os.ReadFile(b.path(name))
	if err != nil {
		b.Fatal(err)
	}
	return data
}

// make creates the backing files, lowest first, and the image, and fills each.
func (b *bench) make() {
	base, format := "", ""
	for depth := b.spec.depth; depth > 0; depth-- {
		name := fmt.Sprintf("base%d", depth)
		lowest := depth == b.spec.depth
		size := b.spec.size() + (b.rng.IntN(3)-1)*(1<<20+512*b.rng.IntN(100)) // shorter, equal, longer
		if lowest && b.spec.rawBase {
			b.run("qemu-img", "create", "-q", "-f", "raw", name, fmt.Sprint(size))
			format = "raw"
		} else {
			below := b.spec
			below.data, below.prealloc, below.snapshots = "", "", 0
			b.create(name, base, format, below, size)
			format = "qcow2"
		}
		b.fill(name, format, size, 6, false)
		base = name
	}
	b.create(image, base, format, b.spec, b.spec.size())
	b.fill(image, "qcow2", b.spec.size(), 8, b.spec.compression != "")
	for k := range b.spec.snapshots {
		b.run("qemu-img", "snapshot", "-c", fmt.Sprint("s", k), image)
		b.fill(image, "qcow2", b.spec.size(), 4, b.spec.compression != "")
	}
}

func (b *bench) create(name, base, format string, s spec, size int) {
	args := []string{"create", "-q", "-f", "qcow2", "-o", s.options()}
	if base != "" {
		args = append(args, "-b", base, "-F", format)
	}
	b.run("qemu-img", append(args, name, fmt.Sprint(size))...)
}

// fill writes patterns, zeros, holes and compressed clusters.
func (b *bench) fill(name, format string, size, n int, compress bool) {
	args := []string{"-f", format}
	for range n {
		args = append(args, "-c", b.command(size))
	}
	if compress {
		b.fillCompressed(name)
	}
	b.run("qemu-io", append(args, name)...)
}

// fillCompressed compresses clusters, some of them in one host cluster. QEMU
// refuses to where something is stored already.
func (b *bench) fillCompressed(name string) {
	cluster := 1 << b.spec.clusterBits
	args := []string{"-f", "qcow2"}
	for range 6 {
		at := b.rng.IntN(b.spec.size()/cluster) * cluster
		args = append(args, "-c", fmt.Sprintf("write -c -P %d %d %d", 1+b.rng.IntN(255), at, cluster))
	}
	cmd := exec.Command("qemu-io", append(args, name)...)
	cmd.Dir = b.dir
	if out, err := cmd.CombinedOutput(); err != nil && !strings.Contains(string(out), "write failed: Input/output error") {
		b.Fatalf("%v: %s", err, out)
	}
}

// command is one of qemu-io.
func (b *bench) command(size int) string {
	unit := pick(b.rng, 512, 4096, 1<<b.spec.clusterBits)
	off := b.rng.IntN(size/unit) * unit
	most := min(size-off, pick(b.rng, 8*unit, 1<<20))
	n := max((b.rng.IntN(most)+1)/unit*unit, min(unit, size-off))
	pattern := 1 + b.rng.IntN(255)
	switch b.rng.IntN(7) {
	case 0:
		return fmt.Sprintf("write -z %d %d", off, n)
	case 1:
		if b.spec.data != "raw" { // QEMU leaves the old bytes in the data file
			return fmt.Sprintf("write -z -u %d %d", off, n)
		}
	case 2:
		if b.spec.data != "raw" {
			return fmt.Sprintf("discard %d %d", off, n)
		}
	}
	return fmt.Sprintf("write -P %d %d %d", pattern, off, n)
}
