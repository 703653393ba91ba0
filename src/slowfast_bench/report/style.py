"""The page's style sheet: for screens down to a phone's width, and for paper."""

STYLE = """
:root { color-scheme: light; --ink: #1a1a1a; --faint: #636363; --line: #d9d9d9; --soft: #f5f5f3;
  --good: #00664d; --bad: #a33a00; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem clamp(1rem, 4vw, 3rem) 5rem; max-width: 78rem; background: #fff;
  color: var(--ink); font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif;
  overflow-wrap: break-word; }
h1 { margin: 0; font-size: 1.9rem; line-height: 1.2; }
h2 { margin: 3rem 0 .8rem; padding-bottom: .25rem; border-bottom: 2px solid var(--ink); font-size: 1.35rem; }
h3 { margin: 2.2rem 0 .6rem; font-size: 1.1rem; }
h4 { margin: 1.8rem 0 .3rem; font-size: 1rem; }
p, .cautions { max-width: 54rem; }
header p { margin: .3rem 0 0; color: var(--faint); }
nav ul { display: flex; flex-wrap: wrap; gap: .3rem 1.3rem; margin: 1.2rem 0 0; padding: .7rem 0; list-style: none;
  border: solid var(--line); border-width: 1px 0; font-size: .92rem; }
a { color: #00508f; text-underline-offset: .15em; }
section > h2 { scroll-margin-top: 1rem; }
.answer { margin: 0; padding: .7rem 1.1rem; border-left: 5px solid #0072b2; background: #f1f7fb; font-size: 1.2rem;
  font-weight: 650; line-height: 1.35; }
.tiles { display: flex; flex-wrap: wrap; gap: .4rem 2.5rem; margin: .8rem 0; }
.tiles b { display: block; font-size: 1.5rem; line-height: 1.2; }
#verdict img.pixels { max-height: 26rem; width: auto; }
.cautions { padding: .8rem 1.3rem; border-left: 5px solid #e69f00; background: #fdf6e7; }
.cautions ul { margin: 0; padding-left: 1.2rem; }
figure { margin: 1.2rem 0; }
figcaption { margin: .3rem 0; color: var(--faint); font-size: .88rem; }
img { display: block; max-width: 100%; height: auto; }
img.pixels { image-rendering: pixelated; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 30rem), 1fr)); gap: .5rem 2rem; }
.plots figure { max-width: 44rem; }
.scroll { max-width: 100%; overflow-x: auto; }
table { border-collapse: separate; border-spacing: 0; font-size: .88rem; line-height: 1.3;
  font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .45rem; border-bottom: 1px solid var(--line); text-align: right; vertical-align: top; }
thead th { border-bottom: 1.5px solid var(--ink); vertical-align: bottom; font-weight: 600; min-width: 4.2rem; }
thead td { border: 0; }
th.over { border-bottom: 1px solid var(--faint); text-align: center; }
tbody th { font-weight: 400; text-align: left; min-width: 10.8rem; max-width: 24rem; }
tbody th, thead th:first-child { position: sticky; left: 0; background: #fff; }
tr.group th { padding-top: .9rem; max-width: none; background: var(--soft); font-weight: 600; }
tr.group span { position: sticky; left: .6rem; }
.words { text-align: left; }
td.words { min-width: 6rem; max-width: 34rem; }
td.words[colspan] { max-width: none; }
td.words[colspan] span { display: inline-block; position: sticky; left: 10rem; max-width: min(34rem, 58vw); }
small, td em { display: block; font-size: .8rem; font-style: normal; white-space: nowrap; }
small { color: var(--faint); }
td em { font-weight: 600; }
.good em, .good.words { color: var(--good); }
.bad em, .bad.words { color: var(--bad); }
.even em, .faint { color: var(--faint); }
.swatch { display: inline-block; width: .7em; height: .7em; margin-right: .35em; border-radius: 2px; }
details { margin: .5rem 0; padding-left: .2rem; }
summary { cursor: pointer; }
details details { margin-left: 1rem; }
pre { max-height: 30rem; overflow: auto; padding: .7rem 1rem; background: var(--soft);
  font-size: .8rem; line-height: 1.4; }
@media (max-width: 40rem) {
  body { padding-top: 1rem; font-size: 15px; }
  h1 { font-size: 1.5rem; }
  h2 { margin-top: 2.2rem; }
  th, td { padding: .3rem .4rem; }
  tbody th { min-width: 6.5rem; max-width: 8.5rem; }
  td.words[colspan] span { left: 8rem; max-width: 52vw; }
  .verdict, .cautions { padding: .8rem .9rem; }
}
@media print {
  body { max-width: none; padding: 0; font-size: 10pt; }
  nav { display: none; }
  h2, h3, figcaption { break-after: avoid; }
  tr, figure:not(.table), .verdict, .cautions { break-inside: avoid; }
  .scroll { overflow: visible; }
  table { font-size: 7.5pt; }
  th, td { padding: 2pt 3pt; }
  thead th, tbody th { min-width: 0; position: static; }
  pre { max-height: none; overflow: visible; white-space: pre-wrap; }
  .verdict, .cautions, tr.group th { print-color-adjust: exact; }
}
"""
