// Show prints the payload of its own slot; tests build, patch and run it.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"assay/remote/slot"
)

func main() {
	payload, err := slot.Read()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if err := json.NewEncoder(os.Stdout).Encode(payload); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
