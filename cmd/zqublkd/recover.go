// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"zqublkd/internal/background"
	"zqublkd/internal/bytesize"
	"zqublkd/internal/imagefile"
	"zqublkd/internal/server"
)

func newRecover() *cobra.Command {
	var runDir string
	var deaths uint
	c := &cobra.Command{
		Use:   "recover {DEVICE... | all}",
		Short: "Take over devices whose daemon is dead; their users go on where they were",
		Long: `Take over devices whose daemon is dead; their users go on where they were. Of all
devices those are left alone that are served.

` + deviceHelp,
		Args: someDevices,
		RunE: func(c *cobra.Command, args []string) error {
			return forEach(c, runDir, args, func(id uint32) error {
				r, err := server.Orphan(runDir, id)
				if isAll(args) && err != nil && r.Alive {
					return nil
				}
				if err != nil {
					return err
				}
				return takeOver(c.OutOrStdout(), r, deaths)
			})
		},
	}
	addRunDir(c, &runDir)
	addRecoveryLimit(c, &deaths)
	return c
}

// takeOver starts a daemon for the device of r, whose daemon is dead.
func takeOver(w io.Writer, r server.Record, deaths uint) error {
	o := serveOptions{Options: r.Options, ID: -1}
	now, err := background.Spawn(superviseArgs(deaths, o.args(r.Image)), true, false)
	if err == nil {
		fmt.Fprintf(w, "%s: served by process %d\n", now.Node, now.PID)
	}
	return err
}

func newUpgrade() *cobra.Command {
	var runDir string
	var deaths uint
	c := &cobra.Command{
		Use:   "upgrade {DEVICE... | all}",
		Short: "Hand devices in use over to the program that is installed now",
		Long: `The daemon of the device answers what it has begun and ends; a new one, of the
program that is now where the old one was started from, goes on. The device's
users notice a short wait. Only a device with --recovery=reissue can be handed over.

` + deviceHelp,
		Args: someDevices,
		RunE: func(c *cobra.Command, args []string) error {
			return forEach(c, runDir, args, func(id uint32) error { return upgradeOne(c, runDir, id, deaths) })
		},
	}
	addRunDir(c, &runDir)
	addRecoveryLimit(c, &deaths)
	return c
}

func upgradeOne(c *cobra.Command, runDir string, id uint32, deaths uint) error {
	old, err := server.HandOver(runDir, id)
	if err != nil {
		return err
	}
	return next(c.OutOrStdout(), old, deaths)
}

// next sees the next daemon come, and says so; old has ended.
func next(w io.Writer, old server.Record, deaths uint) error {
	if !old.BroughtBack() {
		return takeOver(w, old, deaths)
	}
	now, err := server.WaitForNext(old)
	if err == nil {
		fmt.Fprintf(w, "%s: process %d went on as %d\n", now.Node, old.PID, now.PID)
	}
	return err
}

// resizeServed makes the disk of a device in use larger.
func resizeServed(c *cobra.Command, runDir string, id uint32, text string, quiet bool) error {
	r, err := server.ReadRecord(runDir, id)
	if err != nil {
		return err
	}
	in, err := openFiles(r.Image, true, imagefile.Options{})
	if err != nil {
		return err
	}
	old := in.Image.VirtualSize()
	if err := in.Close(); err != nil {
		return err
	}
	size, err := newSize(text, old)
	if err != nil {
		return err
	}
	r, ended, err := server.Resize(runDir, id, size)
	if ended { // the next daemon comes, whether or not the image is larger
		err = errors.Join(err, next(io.Discard, r, background.DefaultDeaths))
	}
	if err == nil {
		err = server.WaitForSize(r, size)
	}
	if err == nil {
		said(c, quiet, "resized %s: %s became %s", r.Node, bytesize.Format(old), bytesize.Format(size))
	}
	return err
}
