// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/charmbracelet/x/term"
	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"zqublkd/internal/metrics"
	"zqublkd/internal/output"
	"zqublkd/internal/server"
	"zqublkd/internal/top"
)

// The verbs that show what all devices do: metrics to programs, top to people.

func newMetrics() *cobra.Command {
	var runDir, listen string
	var once, noLatency bool
	c := &cobra.Command{
		Use:   "metrics",
		Short: "Show the numbers of all devices to Prometheus",
		Long: `Show the numbers of all devices to Prometheus, in the foreground, at one address of
this machine: requests by operation and result, latencies, zones by condition, limits,
cache, space, recoveries, errors by rule. docs/see.md lists them.

Daemons measure latencies from the first scrape on, and for 5 minutes after the last.`,
		Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			source := metrics.FromRunDir(runDir, server.StatsQuery{Meter: !noLatency})
			if once {
				return metrics.Write(c.OutOrStdout(), source)
			}
			l, err := metrics.Listen(listen)
			if errors.Is(err, metrics.ErrAddress) {
				return usageError{err}
			} else if err != nil {
				return err
			}
			ctx, cancel := signal.NotifyContext(context.Background(), unix.SIGTERM, unix.SIGINT)
			defer cancel()
			daemon.SdNotify(false, daemon.SdNotifyReady)
			return metrics.Serve(ctx, l, metrics.Handler(source))
		},
	}
	c.Flags().StringVar(&listen, "listen", metrics.DefaultAddress, "the `address`: a loopback one and a port, or unix:/PATH")
	c.Flags().BoolVar(&once, "once", false, "print the metrics and end")
	c.Flags().BoolVar(&noLatency, "no-latency", false, "don't have the daemons measure latencies")
	addRunDir(c, &runDir)
	return c
}

// topOptions are the flags of top.
type topOptions struct {
	runDir     string
	once, json bool
	every      time.Duration
}

func newTop() *cobra.Command {
	var o topOptions
	c := &cobra.Command{
		Use:   "top [DEVICE]",
		Short: "Watch what devices do: requests, latencies, who holds the slots, what waits",
		Long: `Watch what devices do, all or one: requests and bytes per second, latencies, queues
and what waits in them, the zones that hold open and active slots and since when,
cache, space, and which zones the bytes go to.

` + deviceHelp + `

q quits, Tab shows the next device, Space stops the clock. --once looks twice, an
interval apart, prints what happened between, and ends.`,
		Example: "  zqublkd top disk.qcow2\n  zqublkd top --once --json | jq '.devices[0].ops'",
		Args:    between(0, "DEVICE"),
		RunE: func(c *cobra.Command, args []string) error {
			if o.every < 100*time.Millisecond {
				return usageError{fmt.Errorf("--interval %v: must be 100ms at least", o.every)}
			}
			if o.json && !o.once {
				return usageError{fmt.Errorf("--json goes with --once")}
			}
			source, err := o.source(args)
			if err != nil {
				return err
			}
			if o.once {
				return o.look(c.OutOrStdout(), source)
			}
			if !term.IsTerminal(os.Stdout.Fd()) {
				return usageError{fmt.Errorf("top: the output is no terminal: --once, or --once --json, is for programs")}
			}
			ctx, cancel := signal.NotifyContext(c.Context(), unix.SIGTERM)
			defer cancel()
			return top.Run(ctx, source, o.every)
		},
	}
	c.Flags().BoolVar(&o.once, "once", false, "print one screen and end")
	c.Flags().BoolVar(&o.json, "json", false, "with --once: print JSON")
	c.Flags().DurationVar(&o.every, "interval", time.Second, "time between two looks")
	addRunDir(c, &o.runDir)
	return c
}

// source is that of all devices, or of the one that is named.
func (o topOptions) source(args []string) (metrics.Source, error) {
	q := server.StatsQuery{Meter: true, Detail: true}
	if len(args) == 0 {
		return metrics.FromRunDir(o.runDir, q), nil
	}
	id, err := resolve(o.runDir, args[0])
	if err != nil {
		return nil, err
	}
	return metrics.FromDevice(o.runDir, id, q), nil
}

func (o topOptions) look(w io.Writer, source metrics.Source) error {
	before, err := top.Take(source)
	if err != nil {
		return err
	}
	time.Sleep(o.every)
	now, err := top.Take(source)
	if err != nil {
		return err
	}
	v := top.Between(before, now)
	if o.json {
		return output.JSON(w, v)
	}
	for k := range max(1, len(v.Devices)) {
		if _, err := io.WriteString(w, top.Screen(v, k, top.Options{Width: 80})); err != nil {
			return err
		}
	}
	return nil
}
