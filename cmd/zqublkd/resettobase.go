// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"zqublkd/internal/background"
	"zqublkd/internal/overlay"
	"zqublkd/internal/server"
)

func newResetToBase() *cobra.Command {
	var runDir string
	var deaths uint
	c := &cobra.Command{
		Use:   "reset-to-base {DEVICE... | all}",
		Short: "Forget what was written to snapshots and overlays: clean devices again, in milliseconds",
		Long: `Forget what was written to a device of add --snapshot, or of an overlay: it is
deleted, and added again under the same number and name, with the same options, over
an overlay that holds nothing. Nothing of the old one is made durable. A device in use
is refused, and so is one of an image that is no overlay.

` + deviceHelp,
		Example: "  zqublkd add --snapshot golden.qcow2; mkfs.f2fs -m /dev/ublkb0; zqublkd reset-to-base /dev/ublkb0",
		Args:    someDevices,
		RunE: func(c *cobra.Command, args []string) error {
			return forEach(c, runDir, args, func(id uint32) error {
				now, err := resetToBase(runDir, id, deaths)
				if err == nil {
					fmt.Fprintln(c.OutOrStdout(), now.Node)
				}
				return err
			})
		},
	}
	addRunDir(c, &runDir)
	addRecoveryLimit(c, &deaths)
	return c
}

// resetToBase is del and add; what may fail is tried before the device goes.
func resetToBase(runDir string, id uint32, deaths uint) (server.Record, error) {
	r, err := server.ReadRecord(runDir, id)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return r, server.NotOurs(runDir, id)
	case err != nil:
		return r, err
	case r.Unit != "":
		return r, fmt.Errorf("%s belongs to %s: stop that, make the overlay again with `zqublkd create -b`, and start it", r.Node, r.Unit)
	case r.ReadOnly:
		return r, fmt.Errorf("%s is served read-only: it is what it was", r.Node)
	}
	o := serveOptions{Options: r.Options, ID: int32(id), Force: true} // the kernel has taken it once
	remake, forget, err := cleanOverlay(&o)
	if err != nil {
		return r, err
	}
	if err := server.Discard(runDir, id); err != nil {
		return r, errors.Join(err, forget())
	}
	if err := remake(); err != nil {
		return r, fmt.Errorf("%s is deleted, and its overlay is what a power cut would have left: %w", r.Node, err)
	}
	daemon := append([]string{"serve"}, o.args(o.Image)...)
	if o.Recovery == server.RecoveryReissue {
		daemon = superviseArgs(deaths, o.args(o.Image))
	}
	now, err := background.Spawn(daemon, true, true)
	if err != nil { // the daemon has said why
		return r, errors.Join(err, fmt.Errorf("%s is deleted and not there again: `%s` makes a clean one", r.Node, addAgain(r)), forget())
	}
	return now, nil
}

// addAgain is how a device that has been deleted is added again, with its options as they come.
func addAgain(r server.Record) string {
	if r.SnapshotOf != "" {
		return "zqublkd add --snapshot " + r.SnapshotOf
	}
	return "zqublkd add --allow-backing " + r.Image
}

// cleanOverlay is what makes the image of o one that holds nothing, once nobody serves it,
// and what forgets it again. That of a snapshot is another one, made before.
func cleanOverlay(o *serveOptions) (remake, forget func() error, err error) {
	nothing := func() error { return nil }
	if o.SnapshotOf == "" {
		if !o.Allow.Backing {
			return nil, nil, fmt.Errorf("%s: %w: it has no backing file that was allowed", o.Image, overlay.ErrNotAgain)
		}
		again, err := overlay.NewAgain(o.Image)
		if err != nil {
			return nil, nil, err
		}
		return again.Make, nothing, nil
	}
	snap := snapshot{on: true, dir: filepath.Dir(o.Image)}
	if o.Image, err = snap.make(o.SnapshotOf, o.RunDir); err != nil {
		return nil, nil, err
	}
	image := o.Image
	return nothing, func() error { return os.Remove(image) }, nil
}
