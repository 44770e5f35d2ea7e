// SPDX-License-Identifier: Apache-2.0

//go:build vm

package across

import (
	"context"
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"zqublkd/tests/vm"
)

var (
	kernel = flag.String("across.kernel", vm.Linux6_12, "kernel of both machines")
	kills  = flag.Int("across.deaths", 2, "deaths of the daemon under fio, and as many under btrfs")
)

// TestAcross: no death of the daemon is seen on the other machine, where fio verifies what it has
// written and a btrfs keeps its files.
func TestAcross(t *testing.T) {
	folder, err := os.MkdirTemp("", "across-") // short: it goes into addresses of sockets
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(folder)
	g, ctx := errgroup.WithContext(t.Context())
	for k, script := range []string{"target.sh", "host.sh"} {
		g.Go(func() error { return machine(ctx, t, script, vm.Wire{Folder: folder, End: k + 1}) })
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}

// machine runs a script of this folder; what one machine can't go on without ends the other.
func machine(ctx context.Context, t *testing.T, script string, wire vm.Wire) error {
	out := t.Output()
	c := vm.Config{Kernel: *kernel, Wire: &wire, MemoryMiB: 1536, Limit: 10 * time.Minute, Stdout: out, Stderr: out,
		Files: []string{"../../bin/zqublkd", "../scenarios", "../across"}, Env: []string{fmt.Sprint("KILLS=", *kills)}}
	r, err := c.Run(ctx, "bash", "/opt/zqublkd/across/"+script)
	if err == nil && r.Status != 0 {
		err = fmt.Errorf("exit status %d", r.Status)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", script, err)
	}
	t.Logf("%s: Linux %s on %s, command after %.1f s, power off after %.1f s", script, *kernel, vm.ThisHost(), r.Booted.Seconds(), r.Took.Seconds())
	return nil
}
