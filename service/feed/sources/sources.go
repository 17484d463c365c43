// Package sources lists all sources that assayd can update.
package sources

import (
	"assay/service/feed"
	"assay/service/feed/almalinux"
	"assay/service/feed/amazon"
	"assay/service/feed/arch"
	"assay/service/feed/azurelinux"
	"assay/service/feed/catalog"
	"assay/service/feed/cve"
	"assay/service/feed/debian"
	"assay/service/feed/drupal"
	"assay/service/feed/echo"
	"assay/service/feed/endoflife"
	"assay/service/feed/fedora"
	"assay/service/feed/jenkins"
	"assay/service/feed/nvd"
	"assay/service/feed/oracle"
	"assay/service/feed/osv"
	"assay/service/feed/overrides"
	"assay/service/feed/photon"
	"assay/service/feed/redhat"
	"assay/service/feed/rocky"
	"assay/service/feed/secdb"
	"assay/service/feed/suse"
	"assay/service/feed/ubuntu"
	"assay/service/feed/wordfence"
	"assay/service/feed/wpvulnerability"
)

// All returns the sources in the order in which they are updated.
func All() []feed.Source {
	return []feed.Source{
		osv.Source(),
		catalog.KEV(),
		catalog.EPSS(),
		cve.Source(),
		overrides.Source(),
		nvd.Source(),
		wordfence.Source(),
		wpvulnerability.Source(),
		drupal.Source(),
		jenkins.Source(),
		secdb.AlpineSource(),
		redhat.Source(),
		debian.Source(),
		ubuntu.Source(),
		amazon.Source(),
		amazon.Source1(),
		oracle.Source(),
		suse.Source(),
		rocky.Source(),
		almalinux.Source(),
		azurelinux.Source(),
		photon.Source(),
		secdb.WolfiSource(),
		secdb.MinimOSSource(),
		secdb.SecureOSSource(),
		echo.Source(),
		arch.Source(),
		fedora.Source(),
		endoflife.Source(),
	}
}
