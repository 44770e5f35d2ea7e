// SPDX-License-Identifier: Apache-2.0

// Command bench measures served devices against other ways to get a block
// device, inside a test machine, judges the gates and draws the results.
// `make bench` runs it.
//
//	bench run       in the guest: sets everything up, measures, writes JSON
//	bench native    on this machine: the engine alone against qemu-img bench
//	bench merge     puts the results of a run into those that are kept
//	bench render    docs/benchmarks.md and its pictures from the JSON
//
// All contenders are up at the same time and take turns: a round runs every
// workload on each of them, one directly after the other. Figures are compared
// within one boot only; what counts are the ratios of the medians.
package main
