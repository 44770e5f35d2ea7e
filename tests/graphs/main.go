// SPDX-License-Identifier: Apache-2.0

// Graphs draws what a Prometheus has answered to the queries of the dashboard, for the
// documentation:
//
//	go run ./tests/graphs <graphs.json >docs/see/graphs.svg
//
// The scenario see leaves graphs.json: of each panel of contrib/grafana its title, its unit and
// the series. Lines are told apart by dashes as well as by colours.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
)

// panel is one graph.
type panel struct {
	Title  string   `json:"title"`
	Unit   string   `json:"unit"` // Grafana's name of it
	Series []series `json:"series"`
}

type series struct {
	Name   string  `json:"name"`
	Points []point `json:"points"`
}

// point is a time, in seconds since the first that was asked for, and a value.
type point [2]float64

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "graphs:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	var panels []panel
	if err := json.NewDecoder(in).Decode(&panels); err != nil {
		return err
	}
	_, err := io.WriteString(out, draw(panels))
	return err
}
