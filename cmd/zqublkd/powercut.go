// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"math/rand/v2"

	"github.com/spf13/cobra"

	"zqublkd/internal/engine"
	"zqublkd/internal/server"
)

// Modes of a power cut.
const (
	cutRandom = "random"
	cutLose   = "lose"
)

func newPowercut() *cobra.Command {
	var cut engine.Cut
	var mode, runDir string
	c := &cobra.Command{
		Use:   "powercut DEVICE",
		Short: "Pull the plug of a device: every request fails until it is deleted and added again",
		Long: `Pull the plug of a device: from then on every request fails with EIO, and nothing
is written to the image any more. When the device has been deleted, and its image
is added again, each sequential zone is as a power cut may leave it: its write
pointer is where a flush has covered it, or anywhere from there to what was
written. The same requests and the same seed leave the same image. Prints the
seed.

Writes to conventional zones and to plain images are lost if the device was added
with --volatile-cache, sector by sector.

` + deviceHelp,
		Example: "  zqublkd powercut /dev/ublkb0 --seed 7; umount /mnt; zqublkd del 0; zqublkd add disk.qcow2",
		Args:    exactly("DEVICE"),
		RunE: func(c *cobra.Command, args []string) error {
			if mode != cutRandom && mode != cutLose {
				return usageError{fmt.Errorf("--mode %q: give %s or %s", mode, cutRandom, cutLose)}
			}
			cut.Lose = mode == cutLose
			if !c.Flags().Changed("seed") {
				cut.Seed = rand.Uint64() >> 32
			}
			id, err := resolve(runDir, args[0])
			if err != nil {
				return err
			}
			notes, err := server.PowerCut(runDir, id, cut)
			if err != nil {
				return err
			}
			for _, note := range notes {
				fmt.Fprintln(c.ErrOrStderr(), "zqublkd: note:", note)
			}
			fmt.Fprintf(c.OutOrStdout(), "seed %d\n", cut.Seed)
			return nil
		},
	}
	c.Flags().Uint64Var(&cut.Seed, "seed", 0, "that the write pointers follow from (default: drawn)")
	c.Flags().StringVar(&mode, "mode", cutRandom, "lose: all that no flush has covered; random: up to any block of it")
	addRunDir(c, &runDir)
	return c
}
