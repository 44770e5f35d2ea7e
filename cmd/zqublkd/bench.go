// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"zqublkd/internal/bytesize"
	"zqublkd/internal/engine"
	"zqublkd/internal/server"
	"zqublkd/ublk"
)

// benchOps are what bench can do, by name.
var benchOps = map[string]ublk.Op{"read": ublk.OpRead, "write": ublk.OpWrite, "append": ublk.OpZoneAppend}

func newBench() *cobra.Command {
	var op, block, cache, runDir string
	var overwrite, asJSON bool
	d := engine.Bench{Log: logrus.StandardLogger()}
	c := &cobra.Command{
		Use:   "bench IMAGE",
		Short: "Measure the engine alone on an image, without a device",
		Long: `Sends requests to the engine that serves images, without a device and without
the kernel's part of it, as qemu-img bench does for QEMU's. Writes and appends
go to zones that are empty and leave data there; on a plain image they
overwrite what it has, which has to be allowed.`,
		Args: exactly("IMAGE"),
		RunE: func(c *cobra.Command, args []string) (err error) {
			n, err := bytesize.Parse(block)
			switch {
			case err != nil:
				return usageError{fmt.Errorf("--block %s: %w", block, err)}
			case n > 1<<30:
				return usageError{fmt.Errorf("--block %s: no request is so large", block)}
			}
			d.Image, d.Block, d.Cache = args[0], uint32(n), engine.Cache(cache)
			d.Op = benchOps[op]
			if err := judgeBench(d, op, overwrite); err != nil {
				return usageError{err}
			}
			if d.Op != ublk.OpRead { // a dead daemon's write pointers may wait for the image
				if err := server.Unserved(runDir, d.Image); err != nil {
					return err
				}
			}
			r, err := d.Run()
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(c.OutOrStdout()).Encode(r)
			}
			seconds := r.Time.Seconds()
			fmt.Fprintf(c.OutOrStdout(), "%d %ss of %s in %.3f s: %.0f a second, %.1f MiB/s, %.2f us of CPU and %.2f enters for each\n",
				r.Requests, op, bytesize.Format(n), seconds, float64(r.Requests)/seconds,
				float64(r.Bytes)/seconds/(1<<20),
				float64(r.CPU.Microseconds())/float64(r.Requests), float64(r.Enters)/float64(r.Requests))
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&op, "op", "read", "read, write or append")
	f.StringVar(&block, "block", "4K", "size of a request")
	f.Uint16Var(&d.Queues, "queues", 1, "queues, each on a thread of its own")
	f.Uint16Var(&d.Depth, "depth", 64, "requests of a queue at once")
	f.Uint64Var(&d.Count, "count", 75000, "requests in all")
	f.BoolVar(&d.Random, "random", false, "in any order")
	f.StringVar(&cache, "cache", string(engine.CacheNone), "page cache for data: none or writeback")
	f.BoolVar(&overwrite, "overwrite", false, "allow what changes the image")
	addAllow(c, &d.Allow)
	addRunDir(c, &runDir)
	f.BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// judgeBench says which option makes no sense.
func judgeBench(b engine.Bench, op string, overwrite bool) error {
	_, known := benchOps[op]
	switch {
	case !known:
		return fmt.Errorf("--op %q: must be read, write or append", op)
	case b.Op != ublk.OpRead && !overwrite:
		return fmt.Errorf("%s would change the image: add --overwrite if its data does not matter", op)
	case b.Cache != engine.CacheNone && b.Cache != engine.CacheWriteback:
		return fmt.Errorf("--cache %q: must be none or writeback", b.Cache)
	case b.Depth == 0 || b.Depth > 4096:
		return fmt.Errorf("--depth %d: must be from 1 to 4096", b.Depth)
	case b.Queues == 0 || b.Queues > 4096:
		return fmt.Errorf("--queues %d: must be from 1 to 4096", b.Queues)
	}
	return nil
}
