// SPDX-License-Identifier: Apache-2.0

// Package top is the live view of the devices: what happens between two looks at
// their numbers, as a screen, as a program that shows it again and again, and as
// JSON.
//
// # How it is used
//
//	v := top.Between(before, now)
//	text := top.Screen(v, 0, top.Options{Width: 80})
//	err := top.Run(ctx, source, time.Second)
//
// # Invariants
//
//   - A screen is as wide as it is told, and says without colour all that it says
//     with colours.
//   - What names and paths contain can't move the cursor.
package top
