// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"zqublkd/internal/engine"
	"zqublkd/internal/overlay"
)

func newCommit() *cobra.Command {
	var keep bool
	var allow engine.Allow
	c := &cobra.Command{
		Use:   "commit OVERLAY",
		Short: "Write what an overlay holds into its backing file, zones and all",
		Long: `Write what an overlay holds into its backing file, as qemu-img commit does: data,
then conditions and write pointers of zones. The overlay is empty then, and lies over
the same file; -d leaves it as it is. Whatever ends a commit in between, the overlay
reads as before, and another commit completes it.

Other overlays of the backing file would not read what they have read before.`,
		Example: "  zqublkd commit --allow-backing overlay.qcow2",
		Args:    exactly("OVERLAY"),
	}
	c.Flags().BoolVarP(&keep, "keep", "d", false, "leave the overlay as it is")
	change := newOverlayChange(c, &allow)
	c.RunE = func(c *cobra.Command, args []string) error {
		return change.do(c, args[0], func(o overlay.Options) error { return overlay.Commit(args[0], keep, o) })
	}
	change.stop.mind(c, "the overlay reads as before, and another commit completes it")
	return c
}

func newRebase() *cobra.Command {
	var base, format string
	var unsafe bool
	var allow engine.Allow
	c := &cobra.Command{
		Use:   "rebase [-u] -b BASE OVERLAY",
		Short: "Put an overlay over another backing file; it reads as before",
		Long: `Put an overlay over another backing file, as qemu-img rebase does. It reads as
before: what would read otherwise is copied into it first. With -b "" it becomes an
image that stands alone. A relative path starts at the folder of the overlay.

With -u only the name changes, for a backing file that was moved or renamed. Nothing
is read of it, and what else is there now shows through.`,
		Example: "  zqublkd rebase --allow-backing -b golden.qcow2 overlay.qcow2\n  zqublkd rebase -u -b /srv/golden.qcow2 -F qcow2 overlay.qcow2",
		Args:    exactly("OVERLAY"),
	}
	c.Flags().StringVarP(&base, "backing", "b", "", "the new backing file; empty: none")
	c.Flags().StringVarP(&format, "backing-format", "F", "", "format of the backing file, qcow2 or raw (default qcow2, if it is one that names no other file)")
	c.Flags().BoolVarP(&unsafe, "unsafe", "u", false, "change the name alone")
	change := newOverlayChange(c, &allow)
	c.RunE = func(c *cobra.Command, args []string) error {
		switch {
		case !c.Flags().Changed("backing"):
			return usageError{errors.New(`name the new backing file with -b; -b "" stands for none`)}
		case format != "" && format != "qcow2" && format != "raw":
			return usageError{fmt.Errorf("-F %q: must be qcow2 or raw", format)}
		}
		return change.do(c, args[0], func(o overlay.Options) error {
			if unsafe {
				return overlay.Rename(args[0], base, format)
			}
			return overlay.Rebase(args[0], base, format, o)
		})
	}
	change.stop.mind(c, "the overlay lies over the file that it lay over, and reads as before")
	return c
}

// overlayChange is what commit and rebase have in common.
type overlayChange struct {
	allow *engine.Allow
	idle  func(string) error
	quiet *bool
	stop  stopper
}

func newOverlayChange(c *cobra.Command, allow *engine.Allow) *overlayChange {
	addAllow(c, allow)
	return &overlayChange{allow: allow, idle: addIdle(c), quiet: addQuiet(c)}
}

// do does something to an overlay that nobody serves, and shows how far it is.
func (o *overlayChange) do(c *cobra.Command, path string, do func(overlay.Options) error) error {
	if err := o.idle(path); err != nil {
		return err
	}
	tell, end := o.stop.progress(c.ErrOrStderr(), c.Name(), *o.quiet)
	defer end()
	return do(overlay.Options{AllowBacking: o.allow.Backing, AllowData: o.allow.Data, Idle: o.idle, Progress: tell})
}
