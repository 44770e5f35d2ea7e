// SPDX-License-Identifier: Apache-2.0

package zonemap

import "zqublkd/zoned"

// look is how a condition is shown: the letter stands alone where there is no
// colour.
type look struct {
	letter byte
	ansi   int    // colour of a terminal, 0 to 15
	rgb    string // of the picture; told apart by people who see fewer colours
}

// order is that of the legend.
var order = []zoned.Condition{
	zoned.NotWP, zoned.Empty, zoned.ImplicitOpen, zoned.ExplicitOpen, zoned.Closed, zoned.Full, zoned.ReadOnly,
	zoned.Offline,
}

var looks = map[zoned.Condition]look{
	zoned.NotWP:        {'c', 12, "#4477aa"},
	zoned.Empty:        {'.', 8, "#bbbbbb"},
	zoned.ImplicitOpen: {'o', 10, "#228833"},
	zoned.ExplicitOpen: {'O', 14, "#66ccee"},
	zoned.Closed:       {'-', 11, "#ccbb44"},
	zoned.Full:         {'F', 13, "#aa3377"},
	zoned.ReadOnly:     {'r', 9, "#ee6677"},
	zoned.Offline:      {'X', 1, "#882222"},
}

func lookOf(c zoned.Condition) look {
	if l, ok := looks[c]; ok {
		return l
	}
	return look{'?', 7, "#000000"}
}

// words are what the legend calls a condition.
func words(c zoned.Condition) string {
	if c == zoned.NotWP {
		return "conventional"
	}
	return c.String()
}
