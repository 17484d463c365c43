package redhat

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"assay/service/advisory"
	"assay/service/distro"
)

// repositoriesID is the ID of the record with the table of repositories.
const repositoriesID = IDPrefix + "REPOSITORIES"

// Bounds of the table. It has about ten thousand repositories.
const (
	maxTable = 200_000
	maxCPEs  = 1000 // of one repository
)

// convertRepositories converts repository-to-cpe.json into a record whose affected entries
// have the repositories as packages and the CPEs of their products as versions.
func convertRepositories(b []byte) (advisory.Advisory, error) {
	a := advisory.Advisory{ID: repositoriesID, Summary: "Red Hat's repositories and the products that they belong to"}
	var in struct {
		Data map[string]struct {
			CPEs []string `json:"cpes"`
		} `json:"data"`
	}
	if err := json.Unmarshal(b, &in); err != nil {
		return a, fmt.Errorf("not a table of repositories: %w", err)
	}
	if len(in.Data) == 0 {
		return a, errors.New("the table has no repositories")
	}
	if len(in.Data) > maxTable {
		return a, fmt.Errorf("the table has more than %d repositories", maxTable)
	}
	for _, name := range slices.Sorted(maps.Keys(in.Data)) {
		cpes := in.Data[name].CPEs
		if len(cpes) > maxCPEs {
			return a, fmt.Errorf("the repository %.100q has more than %d CPEs", name, maxCPEs)
		}
		if name == "" || len(cpes) == 0 {
			continue
		}
		for _, cpe := range cpes {
			if _, ok := distro.RedHatEcosystem(cpe); !ok {
				return a, fmt.Errorf("the repository %.100q has an invalid CPE %.100q", name, cpe)
			}
		}
		a.Affected = append(a.Affected, advisory.Affected{
			Package:  advisory.Package{Ecosystem: distro.RepositoryEcosystem, Name: name},
			Versions: cpes,
		})
	}
	return a, nil
}
