// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// What add is told, the daemon it starts is told.
func TestServeArgs(t *testing.T) {
	var told, daemon serveOptions
	add, serve := &cobra.Command{}, &cobra.Command{}
	told.addFlags(add)
	daemon.addFlags(serve)
	serve.Flags().BoolVar(&daemon.detached, "detached", false, "")
	serve.Flags().StringVar(&daemon.handed, "options", "", "")
	serve.Flags().StringVar(new(string), "log-level", "", "")
	if err := add.ParseFlags([]string{"--l2-cache-size=1M", "--depth=7", "--zero-copy=off", "--cache=writeback", "--id=3"}); err != nil {
		t.Fatal(err)
	}
	if err := serve.ParseFlags(told.args("disk.qcow2")); err != nil {
		t.Fatal(err)
	}
	if err := daemon.complete(told.Image); err != nil {
		t.Fatal(err)
	}
	daemon.detached, daemon.handed = false, ""
	if daemon != told || daemon.L2Cache != 1<<20 {
		t.Errorf("told %+v, the daemon %+v", told, daemon)
	}
}

// A daemon that is handed an option of a newer program refuses: to serve without it
// would be to serve something else.
func TestServeRefusesOptionsItDoesNotKnow(t *testing.T) {
	o := serveOptions{handed: `{"image":"/a","depth":7,"of_tomorrow":true}`}
	if err := o.complete("/a"); err == nil || !strings.Contains(err.Error(), "of_tomorrow") {
		t.Errorf("got %v", err)
	}
}
