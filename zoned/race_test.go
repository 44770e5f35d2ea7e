//go:build race

package zoned_test

// defaultOperations are fewer than usual: the race detector slows all down.
const defaultOperations = 40_000
