// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"os/signal"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"zqublkd/internal/metrics"
)

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
			source := metrics.FromRunDir(runDir, !noLatency)
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
