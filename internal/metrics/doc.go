// SPDX-License-Identifier: Apache-2.0

// Package metrics shows what all devices of a machine do to Prometheus, at one
// address. It asks each daemon for its numbers by the control socket when somebody
// scrapes, all at once and for a bounded time.
//
// # How it is used
//
//	l, err := metrics.Listen("127.0.0.1:9813")
//	source := metrics.FromRunDir(dir, server.StatsQuery{Meter: true})
//	err = metrics.Serve(ctx, l, metrics.Handler(source))
//
// # Invariants
//
//   - A daemon that hangs, or is dead, costs its own numbers and a second or two; its
//     device is still there, with zqublkd_up 0.
//   - Nobody but this machine can connect.
//   - contrib/prometheus and contrib/grafana ask for nothing that is not here: a test
//     runs each of their queries against a real Prometheus.
package metrics
