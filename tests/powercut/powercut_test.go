// SPDX-License-Identifier: Apache-2.0

//go:build vm

package powercut

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"zqublkd/tests/vm"
)

var (
	cuts   = flag.Int("powercut.cuts", 2, "power cuts in all")
	seed   = flag.Uint64("powercut.seed", 0, "seed; 0: another each time")
	kernel = flag.String("powercut.kernel", vm.Linux6_12, "kernel of the machine")
)

const diskBytes = 768 << 20

// pairs are the file systems that the image lies on, and that lie in it.
var pairs = [][2]string{{"ext4", "btrfs"}, {"xfs", "raw"}, {"ext4", "f2fs"}, {"xfs", "btrfs"}, {"ext4", "raw"}}

// TestPowerCut: what was fsynced is there after the cut, and nothing is damaged.
func TestPowerCut(t *testing.T) {
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", *seed)
	for i, p := range pairs {
		n := *cuts / len(pairs)
		if i < *cuts%len(pairs) {
			n++
		}
		if n == 0 {
			continue
		}
		t.Run(strings.Join(p[:], "-"), func(t *testing.T) {
			t.Parallel()
			m := newMachine(t, "../../bin/zqublkd", p, *seed+uint64(i))
			for range n {
				m.live(true)
			}
			m.live(false)
			if m.lost != "" {
				t.Errorf("after a cut: %s", m.lost)
			}
			t.Logf("%d cuts, %d promises kept", n, m.told.promises())
		})
	}
}

// TestNoFlush: a program whose flushes do nothing loses what it promised to keep,
// and that is noticed.
func TestNoFlush(t *testing.T) {
	t.Parallel()
	m := newMachine(t, buildWithout(t, "unix.Fdatasync(f.fd)", "error(nil)"), pairs[1], 1)
	for range 4 {
		if m.live(true); m.lost != "" {
			t.Logf("noticed: %s", m.lost)
			return
		}
	}
	t.Error("nobody noticed that nothing is flushed")
}

// machine is one whose disk outlives its power.
type machine struct {
	t      *testing.T
	binary string
	pair   [2]string
	dir    string
	disk   *Disk
	rand   *rand.Rand
	told   *lines
	lost   string
}

func newMachine(t *testing.T, binary string, pair [2]string, seed uint64) *machine {
	dir := t.TempDir()
	l, err := net.Listen("unix", filepath.Join(dir, "nbd"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	m := &machine{t: t, binary: binary, pair: pair, dir: dir, disk: NewDisk(diskBytes),
		rand: rand.New(rand.NewPCG(seed, 0)), told: &lines{}}
	go Serve(l, m.disk)
	return m
}

// live boots the machine, which looks at what it finds and goes on; then its
// power is cut, or it is left alone once it has seen that nothing is lost.
func (m *machine) live(cut bool) {
	if m.lost != "" {
		return
	}
	told := filepath.Join(m.dir, "told")
	if err := os.WriteFile(told, m.told.all(), 0o600); err != nil {
		m.t.Fatal(err)
	}
	m.disk.On()
	ctx, end := context.WithCancelCause(m.t.Context())
	defer end(nil)
	begun := m.told.after(1)
	if cut {
		begun = m.told.after(10 + m.rand.IntN(30))
	}
	go m.pullThePlug(ctx, begun, cut, end)
	config := vm.Config{Kernel: *kernel, MemoryMiB: 1024, Limit: 4 * time.Minute, Disks: []string{"nbd:" + filepath.Join(m.dir, "nbd")},
		Files: []string{m.binary + ":zqublkd", "guest.sh", "writer.py", told}, Stdout: m.told, Stderr: m.told}
	result, err := config.Run(ctx, "bash", "/opt/zqublkd/guest.sh", m.pair[0], m.pair[1], "/opt/zqublkd/told")
	if m.lost = m.told.lost(); m.lost == "" && !errors.Is(err, errCut) {
		m.t.Fatalf("the machine ended by itself: status %d, %v\n%s", result.Status, err, m.told.tail())
	}
}

var errCut = errors.New("the power is cut")

// pullThePlug cuts a moment after the guest has made enough promises.
func (m *machine) pullThePlug(ctx context.Context, begun <-chan struct{}, cut bool, end context.CancelCauseFunc) {
	select {
	case <-begun:
	case <-ctx.Done():
		return
	}
	if cut {
		time.Sleep(time.Duration(m.rand.IntN(1000)) * time.Millisecond)
	}
	m.t.Logf("%s; %d writes, %d with FUA, %d flushes so far; %d promises", m.disk.Cut(m.rand),
		m.disk.Writes, m.disk.FUAs, m.disk.Flushes, m.told.promises())
	if m.disk.Flushes == 0 {
		m.t.Error("no flush of the guest has arrived")
	}
	end(errCut)
}

// lines is what the guest has said, over all its lives.
type lines struct {
	mu     sync.Mutex
	text   bytes.Buffer
	missed int           // promises until enough is closed
	enough chan struct{} // nil: closed
}

// after returns a channel that is closed after n more promises.
func (l *lines) after(n int) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.missed, l.enough = n, make(chan struct{})
	return l.enough
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.missed -= bytes.Count(p, []byte("ACK "))
	if l.missed <= 0 && l.enough != nil {
		close(l.enough)
		l.enough = nil
	}
	return l.text.Write(p)
}

// all is every whole line.
func (l *lines) all() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Truncate(bytes.LastIndexByte(l.text.Bytes(), '\n') + 1)
	return bytes.Clone(l.text.Bytes())
}

func (l *lines) promises() int { return bytes.Count(l.all(), []byte("ACK ")) }

func (l *lines) lost() string {
	all := string(l.all())
	if i := strings.Index(all, "LOST:"); i >= 0 {
		return all[max(0, i-500):]
	}
	return ""
}

func (l *lines) tail() string {
	all := string(l.all())
	return all[max(0, len(all)-2000):]
}

// buildWithout builds the program with a piece of the storage code replaced.
func buildWithout(t *testing.T, code, by string) string {
	t.Helper()
	const file = "../../internal/storage/osfile.go"
	source, err := os.ReadFile(file)
	if err != nil || !bytes.Contains(source, []byte(code)) {
		t.Fatalf("%s has no %q any more: %v", file, code, err)
	}
	dir := t.TempDir()
	return overlaid(t, dir, file, bytes.Replace(source, []byte(code), []byte(by), 1))
}

func overlaid(t *testing.T, dir, file string, source []byte) string {
	t.Helper()
	real, err := filepath.Abs(file)
	planted, overlay, out := filepath.Join(dir, "planted.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "zqublkd")
	if err == nil {
		err = os.WriteFile(planted, source, 0o600)
	}
	if err == nil {
		err = os.WriteFile(overlay, fmt.Appendf(nil, `{"Replace": {%q: %q}}`, real, planted), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "build", "-overlay", overlay, "-o", out, "../../cmd/zqublkd")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	return out
}
