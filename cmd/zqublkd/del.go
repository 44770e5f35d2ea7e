package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"zqublkd/internal/server"
)

func newDel() *cobra.Command {
	var force, all, dead bool
	var runDir string
	c := &cobra.Command{
		Use:   "del {ID | /dev/ublkbN | NAME | IMAGE}",
		Short: "Stop a device: everything written is made durable, the node goes",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			ids, err := chosen(runDir, args, all)
			if err != nil {
				return err
			}
			for _, id := range ids {
				if err := deleteOne(c, runDir, id, force, dead); err != nil {
					return err
				}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&force, "force", false, "stop it even while it is in use")
	c.Flags().BoolVar(&dead, "dead", false, "only if its daemon is dead; mounted or not")
	c.Flags().BoolVarP(&all, "all", "a", false, "stop all devices")
	addRunDir(c, &runDir)
	return c
}

// deleteOne stops one device; one whose node somebody still has open has
// stopped all the same.
func deleteOne(c *cobra.Command, runDir string, id uint32, force, dead bool) error {
	remove := func() error { return server.Delete(runDir, id, force) }
	if dead {
		remove = func() error { return server.Abandon(runDir, id) }
	}
	err := remove()
	if errors.Is(err, server.ErrLinger) {
		fmt.Fprintln(c.ErrOrStderr(), "zqublkd: note:", err)
		return nil
	}
	return err
}

func chosen(runDir string, args []string, all bool) ([]uint32, error) {
	if all == (len(args) == 1) {
		return nil, usageError{errors.New("name one device, or give --all")}
	}
	if !all {
		id, err := resolve(runDir, args[0])
		return []uint32{id}, err
	}
	records, err := server.Records(runDir)
	var ids []uint32
	for _, r := range records {
		ids = append(ids, r.ID)
	}
	return ids, err
}

// resolve finds the device that arg names: its number, node or a link to it,
// name or image.
func resolve(runDir, arg string) (uint32, error) {
	if node, err := filepath.EvalSymlinks(arg); err == nil && strings.HasPrefix(arg, "/dev/") {
		arg = node
	}
	if n, err := strconv.ParseUint(strings.TrimPrefix(arg, "/dev/ublkb"), 10, 32); err == nil {
		return uint32(n), nil
	}
	records, err := server.Records(runDir)
	if err != nil {
		return 0, err
	}
	path, _ := filepath.Abs(arg)
	var found []uint32
	for _, r := range records {
		if r.Name == arg || r.Image == path {
			found = append(found, r.ID)
		}
	}
	if len(found) != 1 {
		return 0, usageError{fmt.Errorf("%q names %d devices: give a number or node, see `zqublkd list`", arg, len(found))}
	}
	return found[0], nil
}
