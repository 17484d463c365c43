// Package program has the flags and the main function that the programs of check share.
package program

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
)

// Main parses the flags and calls run until it ends or is interrupted. An error ends
// the program, which is called name, with code 1.
func Main(name string, run func(context.Context) error) {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
}

// TestData adds the flag that names the folder of the test data.
func TestData(folder *string, usage string) {
	byDefault := os.Getenv("TESTDATA")
	if byDefault == "" {
		byDefault = filepath.Join("..", "shared", "data")
	}
	flag.StringVar(folder, "testdata", byDefault, "`folder` of the test data"+usage)
}

// Roots adds the flag that names a root; it may be repeated.
func Roots(roots *[]string, usage string) {
	flag.Func("root", usage+"; may be repeated", func(root string) error {
		*roots = append(*roots, root)
		return nil
	})
}
