// Command bench measures served devices against other ways to get a block
// device, inside a test machine, and draws the results. `make bench` runs it.
//
//	bench run     in the guest: sets everything up, runs fio, writes JSON
//	bench render  on the host: docs/benchmarks.md and its pictures from the JSON
//
// All contenders are up at the same time and take turns: a round runs every
// workload on each of them. Figures are compared within one boot only; what
// counts are the ratios of the medians.
package main
