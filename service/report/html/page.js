"use strict";
(() => {
	const form = document.getElementById("filter");
	if (form) {
		const words = document.getElementById("words");
		const severity = document.getElementById("severity");
		const shown = document.getElementById("shown");
		let groups; // each group with its rows, read when the filter is first used
		const read = () => [...document.querySelectorAll(".group")].map((group) => {
			const title = group.querySelector("h3").textContent + " " + (group.querySelector(".detail")?.textContent ?? "");
			return {
				group,
				details: group.closest("details"),
				rows: [...group.querySelectorAll("tbody tr")].map((row) => ({
					row,
					severity: row.querySelector(".s").textContent,
					text: (title + " " + row.textContent).toLowerCase(),
				})),
			};
		});
		const apply = () => {
			groups ??= read();
			const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
			const active = wanted.length > 0 || severity.value !== "";
			const hits = new Map();
			let count = 0;
			for (const { group, details, rows } of groups) {
				let visible = 0;
				for (const r of rows) {
					const hit = (severity.value === "" || r.severity === severity.value) && wanted.every((w) => r.text.includes(w));
					r.row.hidden = !hit;
					visible += hit;
				}
				group.hidden = visible === 0;
				count += visible;
				if (details) hits.set(details, (hits.get(details) ?? 0) + visible);
			}
			for (const [details, n] of hits) {
				details.hidden = n === 0;
				if (active && n > 0 && n <= 200) details.open = true;
			}
			shown.textContent = active ? count.toLocaleString("en") + " shown" : "";
		};
		let waiting;
		const later = () => {
			clearTimeout(waiting);
			waiting = setTimeout(apply, 120);
		};
		words.addEventListener("input", later);
		severity.addEventListener("change", apply);
		form.addEventListener("submit", (e) => {
			e.preventDefault();
			apply();
		});
		for (const label of form.querySelectorAll(".script")) label.hidden = false;
		if (words.value || severity.value) apply(); // the browser restored them
	}
	if (navigator.clipboard) {
		for (const pre of document.querySelectorAll("pre")) {
			const button = document.createElement("button");
			button.type = "button";
			button.textContent = "copy";
			button.addEventListener("click", async () => {
				try {
					await navigator.clipboard.writeText(pre.querySelector("code").textContent);
					button.textContent = "copied";
				} catch {
					getSelection().selectAllChildren(pre);
					button.textContent = "press Ctrl+C";
				}
				setTimeout(() => { button.textContent = "copy"; }, 2000);
			});
			pre.after(button);
		}
	}
})();
