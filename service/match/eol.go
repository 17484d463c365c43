package match

import (
	"strings"
	"time"

	"assay/verdict"
)

// setEndOfLife fills in until when a system has free security support, day
// being the last day of it or empty where that is not known. The day itself
// counts as supported, whatever the time zone: days are those of UTC.
func setEndOfLife(s *verdict.System, day string, today time.Time) {
	s.EndOfLife = day
	s.Ended = day != "" && today.UTC().Format(time.DateOnly) > day
}

// endOfLife returns the last day of a system's free security support, by the
// ecosystem that it is judged as; empty where that is not known.
func endOfLife(s verdict.System) string {
	ecosystem, release, _ := strings.Cut(s.Ecosystem, ":")
	major, _, _ := strings.Cut(s.VersionID, ".")
	switch {
	case ecosystem == "Alpine":
		return alpineEndOfLife(release)
	case ecosystem == "Debian":
		return debianEndOfLife(release)
	case ecosystem == "Ubuntu":
		return ubuntuEndOfLife(s.VersionID)
	case s.ID == "centos":
		return centosEndOfLife(major)
	case ecosystem == "AlmaLinux", ecosystem == "Rocky Linux", ecosystem == "Red Hat":
		return enterpriseEndOfLife(ecosystem, major)
	}
	return ""
}

// Rolling reports whether the system of an ecosystem has no releases, and so no end
// of their support.
func Rolling(ecosystem string) bool {
	switch ecosystem {
	case "Chainguard", "Echo", "MinimOS", "Wolfi", "openSUSE:Tumbleweed":
		return true
	}
	return false
}

// alpineEndOfLife returns the last day of an Alpine release. Source:
// https://alpinelinux.org/releases/.
func alpineEndOfLife(release string) string {
	switch release {
	case "v3.3":
		return "2017-11-01"
	case "v3.4":
		return "2018-05-01"
	case "v3.5":
		return "2018-11-01"
	case "v3.6":
		return "2019-05-01"
	case "v3.7":
		return "2019-11-01"
	case "v3.8":
		return "2020-05-01"
	case "v3.9":
		return "2020-11-01"
	case "v3.10":
		return "2021-05-01"
	case "v3.11":
		return "2021-11-01"
	case "v3.12":
		return "2022-05-01"
	case "v3.13":
		return "2022-11-01"
	case "v3.14":
		return "2023-05-01"
	case "v3.15":
		return "2023-11-01"
	case "v3.16":
		return "2024-05-23"
	case "v3.17":
		return "2024-11-22"
	case "v3.18":
		return "2025-05-09"
	case "v3.19":
		return "2025-11-01"
	case "v3.20":
		return "2026-04-01"
	case "v3.21":
		return "2026-11-01"
	case "v3.22":
		return "2027-05-01"
	}
	return ""
}

// centosEndOfLife returns the last day of CentOS Linux. Source:
// https://www.centos.org/centos-linux-eol/.
func centosEndOfLife(major string) string {
	switch major {
	case "5":
		return "2017-03-31"
	case "6":
		return "2020-11-30"
	case "7":
		return "2024-06-30"
	case "8":
		return "2021-12-31"
	}
	return ""
}

// enterpriseEndOfLife returns the last day of what Red Hat calls the maintenance
// phase, and of the security support of those that rebuild it. Sources:
// https://access.redhat.com/support/policy/updates/errata,
// https://wiki.almalinux.org/release-notes/ and
// https://wiki.rockylinux.org/rocky/version/. What Red Hat sells after it (ELS)
// does not count.
func enterpriseEndOfLife(ecosystem, major string) string {
	switch ecosystem + " " + major {
	case "Red Hat 6":
		return "2020-11-30"
	case "Red Hat 7":
		return "2024-06-30"
	case "AlmaLinux 8":
		return "2029-03-01"
	case "Red Hat 8", "Rocky Linux 8":
		return "2029-05-31"
	case "AlmaLinux 9", "Red Hat 9", "Rocky Linux 9":
		return "2032-05-31"
	}
	return ""
}

// debianEndOfLife returns the last day of Debian's long term support, which is
// free and covers the architectures and most packages that images have. Source:
// https://wiki.debian.org/LTS, and the column eol-lts of debian.csv in Debian's
// package distro-info-data. The paid support after it (ELTS) does not count.
func debianEndOfLife(release string) string {
	switch release {
	case "6":
		return "2016-02-29"
	case "7":
		return "2018-05-31"
	case "8":
		return "2020-06-30"
	case "9":
		return "2022-06-30"
	case "10":
		return "2024-06-30"
	case "11":
		return "2026-08-31"
	case "12":
		return "2028-06-30"
	case "13":
		return "2030-06-30"
	}
	return ""
}

// ubuntuEndOfLife returns the last day of Ubuntu's standard support. Source:
// https://wiki.ubuntu.com/Releases, and the column eol of ubuntu.csv in the
// package distro-info-data. What needs a subscription (ESM) does not count.
func ubuntuEndOfLife(versionID string) string {
	switch versionID {
	case "12.04":
		return "2017-04-28"
	case "12.10":
		return "2014-05-16"
	case "13.04":
		return "2014-01-27"
	case "13.10":
		return "2014-07-17"
	case "14.04":
		return "2019-04-25"
	case "14.10":
		return "2015-07-23"
	case "15.04":
		return "2016-02-04"
	case "15.10":
		return "2016-07-28"
	case "16.04":
		return "2021-04-30"
	case "16.10":
		return "2017-07-20"
	case "17.04":
		return "2018-01-13"
	case "17.10":
		return "2018-07-19"
	case "18.04":
		return "2023-05-31"
	case "18.10":
		return "2019-07-18"
	case "19.04":
		return "2020-01-23"
	case "19.10":
		return "2020-07-17"
	case "20.04":
		return "2025-05-29"
	case "20.10":
		return "2021-07-22"
	case "21.04":
		return "2022-01-20"
	case "21.10":
		return "2022-07-14"
	case "22.04":
		return "2027-06-01"
	case "22.10":
		return "2023-07-20"
	case "23.04":
		return "2024-01-25"
	case "23.10":
		return "2024-07-11"
	case "24.04":
		return "2029-05-31"
	case "24.10":
		return "2025-07-10"
	case "25.04":
		return "2026-01-15"
	case "25.10":
		return "2026-07-09"
	case "26.04":
		return "2031-05-29"
	case "26.10":
		return "2027-07-15"
	}
	return ""
}
