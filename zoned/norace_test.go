//go:build !race

package zoned_test

const defaultOperations = 200_000
