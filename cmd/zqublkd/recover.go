package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"zqublkd/internal/server"
)

func newRecover() *cobra.Command {
	var runDir string
	var deaths uint
	c := &cobra.Command{
		Use:   "recover {ID | /dev/ublkbN | NAME | IMAGE | all}",
		Short: "Take over a device whose daemon is dead; its users go on where they were",
		Args:  exactly("DEVICE"),
		RunE: func(c *cobra.Command, args []string) error {
			return forEach(runDir, args[0], func(id uint32) error {
				r, err := server.Orphan(runDir, id)
				if args[0] == "all" && err != nil && r.Alive {
					return nil
				}
				if err != nil {
					return err
				}
				return takeOver(c, r, deaths)
			})
		},
	}
	addRunDir(c, &runDir)
	addLimit(c, &deaths)
	return c
}

// takeOver starts a daemon for the device of r, whose daemon is dead.
func takeOver(c *cobra.Command, r server.Record, deaths uint) error {
	o := serveOptions{id: -1, recovery: string(r.Recovery), cache: string(r.Cache), depth: r.Depth, queues: r.Queues, runDir: r.RunDir, stopWait: server.DefaultStopWait}
	now, err := spawn(superviseArgs(deaths, o.args(r.Image)))
	if err == nil {
		fmt.Fprintf(c.OutOrStdout(), "%s: served by process %d\n", now.Node, now.PID)
	}
	return err
}

// forEach calls f for the device that arg names, or for all; each is tried.
func forEach(runDir, arg string, f func(uint32) error) error {
	var args []string
	if arg != "all" {
		args = []string{arg}
	}
	ids, err := chosen(runDir, args, arg == "all")
	if err != nil {
		return err
	}
	var errs []error
	for _, id := range ids {
		errs = append(errs, f(id))
	}
	return errors.Join(errs...)
}
