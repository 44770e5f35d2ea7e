// SPDX-License-Identifier: Apache-2.0

//go:build vm

package boots

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"zqublkd/tests/vm"
)

var (
	lives  = flag.Int("boots.lives", 2, "boots and ends, beside the one that makes the disk")
	kernel = flag.String("boots.kernel", vm.Linux6_12, "kernel of the machine")
)

const diskBytes = 1536 << 20

// TestBoots: what was written before the machine went down in order is there
// when it is up again, and going down takes no longer than for an idle machine.
func TestBoots(t *testing.T) {
	disk := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(disk, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(disk, diskBytes); err != nil {
		t.Fatal(err)
	}
	idle, _ := live(t, disk, "idle", "poweroff") // also makes the images
	for n := 1; n <= *lives; n++ {
		how := "poweroff"
		if n%2 == 0 {
			how = "reboot"
		}
		took, log := live(t, disk, fmt.Sprint(n), how)
		t.Logf("life %d: down in %v, an idle machine in %v", n, took, idle)
		if took > idle+idle/2+allowance(idle) {
			t.Errorf("life %d: going down took %v, an idle machine takes %v\n%s", n, took, idle, tail(log))
		}
	}
	if !t.Failed() {
		t.Logf("ok %d lives", *lives)
	}
}

// allowance is what five file systems, LVM and five daemons may add to an idle machine's going
// down: 10 s, times the slowness of a host on which that takes longer than on a quiet one.
func allowance(idle time.Duration) time.Duration {
	const quiet = 2200 * time.Millisecond
	return time.Duration(10 * float64(time.Second) * max(1, float64(idle)/float64(quiet)))
}

// troubles are lines of the kernel's log, where systemd logs, too, that no life may have.
var troubles = regexp.MustCompile(`ordering cycle|to break ordering|zqublkd.*[Ff]ailed|I/O error|Failed unmounting (srv|data|path|old|hand|lv)\b|in use by`)

// live boots the machine, which goes down by itself; it returns how long that took, and
// the kernel's log.
func live(t *testing.T, disk, n, how string) (took time.Duration, text string) {
	t.Helper()
	said, log := &lastLine{mark: "LIFE " + n}, &bytes.Buffer{}
	c := vm.Config{Kernel: *kernel, Boot: vm.BootSystemd, Limit: 10 * time.Minute, MemoryMiB: 1024, Disks: []string{disk},
		Files:  []string{"../../bin/zqublkd", "../../systemd", "../scenarios/install.sh", "before-systemd", "life.sh"},
		Append: "systemd.log_target=kmsg LIFE=" + n, Stdout: said, Stderr: said, KernelLog: log}
	_, err := c.Run(t.Context(), "bash", "/opt/zqublkd/life.sh", n, how)
	ended := time.Now()
	var complaint *vm.ComplaintError
	if !errors.Is(err, vm.ErrDown) || errors.As(err, &complaint) || said.at.IsZero() {
		t.Fatalf("life %s: %v\nit said: %s\n%s", n, err, &said.text, tail(log.String()))
	}
	for line := range strings.Lines(log.String()) {
		if troubles.MatchString(line) {
			t.Errorf("life %s: %s", n, line)
		}
	}
	return ended.Sub(said.at), log.String()
}

// lastLine notes when a line has come.
type lastLine struct {
	mu   sync.Mutex
	mark string
	text bytes.Buffer
	at   time.Time
}

func (l *lastLine) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(p)
	if l.at.IsZero() && strings.Contains(l.text.String(), l.mark) {
		l.at = time.Now()
	}
	return len(p), nil
}

func tail(text string) string { return text[max(0, len(text)-12000):] }
