/** Of the status page; named in the Content-Security-Policy by its hash. Colours have a contrast of 4.5 and more in both schemes. */
export const STYLE = `
:root{color-scheme:light dark;
--page:light-dark(#f6f7f9,#101317);--panel:light-dark(#fff,#181c22);--line:light-dark(#dfe3e8,#2c333c);
--ink:light-dark(#1a1f26,#e6e9ee);--quiet:light-dark(#566070,#a0aab8);--link:light-dark(#0b5cad,#7db8ff);
--good:light-dark(#17693a,#5fce8f);--warn:light-dark(#8a5300,#f0b429);--bad:light-dark(#b3201f,#ff8a80);--info:var(--quiet)}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:1rem/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
header,main{max-width:72rem;margin:0 auto;padding:0 1.5rem}
header{display:flex;flex-wrap:wrap;justify-content:space-between;align-items:end;gap:.5rem 2rem;padding-top:1.75rem;padding-bottom:1.25rem}
h1{font-size:1.5rem;line-height:1.25;margin:0;letter-spacing:-.01em}
h2{font-size:1.05rem;line-height:1.3;margin:0}
p{margin:0}
header p,.hint,caption,small,time,.facts,#live{color:var(--quiet)}
header p b{color:var(--ink)}
nav ul{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;list-style:none;margin:0;padding:0}
a{color:var(--link);text-underline-offset:.2em}
a:focus-visible,button:focus-visible,section:focus-visible{outline:3px solid var(--link);outline-offset:2px;border-radius:4px}
.skip{position:absolute;left:-99rem}
.skip:focus{left:1rem;top:.5rem;background:var(--panel);padding:.5rem 1rem;z-index:1}
.visually-hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
section{background:var(--panel);border:1px solid var(--line);border-radius:10px;padding:1.1rem 1.25rem;margin-bottom:1.25rem}
#now{padding:0;overflow:hidden}
.verdict{border-left:6px solid var(--level);padding:1.1rem 1.25rem}
.verdict h2{font-size:1.25rem;color:var(--level)}
.verdict ul{margin:.75rem 0 0;padding:0;list-style:none;display:grid;gap:.5rem}
.verdict li{padding-left:1.1rem;position:relative}
.verdict li::before{content:"";position:absolute;left:0;top:.5rem;width:.55rem;height:.55rem;border-radius:50%;background:var(--level)}
[data-level=good]{--level:var(--good)}[data-level=warn]{--level:var(--warn)}[data-level=bad]{--level:var(--bad)}[data-level=info]{--level:var(--info)}
table{border-collapse:collapse;width:100%;font-size:.94rem}
caption{text-align:left;font-size:.875rem;padding:.1rem 0 .5rem}
th,td{text-align:left;vertical-align:top;padding:.5rem 1rem .5rem 0;border-top:1px solid var(--line);font-weight:400;overflow-wrap:anywhere}
thead th{color:var(--quiet);font-size:.8125rem;font-weight:600;border-top:0;padding-bottom:.35rem;overflow-wrap:normal}
tr>:last-child{padding-right:0}
th code{font-weight:600;white-space:nowrap}
small{display:block;font-size:.85em;line-height:1.45}
td time{white-space:nowrap}
code,time{font-family:ui-monospace,"SFMono-Regular",Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:.9em}

.counts{list-style:none;margin:0;padding:0;display:flex;flex-wrap:wrap;gap:0 .9rem}
.state{color:var(--level);font-weight:600;white-space:nowrap}
.state::before{content:"";display:inline-block;width:.5rem;height:.5rem;border-radius:50%;background:var(--level);margin-right:.45rem}
.bar{display:flex;flex-wrap:wrap;align-items:center;gap:.25rem 1rem;margin-bottom:.35rem}
#live{font-size:.875rem;flex:1}
#live[data-level]::before{content:"";display:inline-block;width:.5rem;height:.5rem;border-radius:50%;background:var(--level);margin-right:.45rem}
button{font:inherit;font-size:.875rem;color:var(--ink);background:var(--page);border:1px solid var(--quiet);border-radius:6px;padding:.3rem .9rem;min-width:6rem;cursor:pointer}
button:hover{border-color:var(--link)}
#event-list{list-style:none;margin:0;padding:0;max-height:32rem;overflow-y:auto}
#event-list:focus-visible{outline:3px solid var(--link);outline-offset:2px;border-radius:4px}
#event-list li{border-top:1px solid var(--line);padding:.55rem .25rem .6rem 0}
#event-list p{overflow-wrap:anywhere}
.badge{display:inline-block;font-size:.78rem;line-height:1.5;color:var(--level);border:1px solid;border-radius:5px;padding:0 .4rem;margin:0 .35rem}
.facts{font-size:.9rem;overflow-wrap:anywhere}
.empty{color:var(--quiet);padding:.4rem 0}
.hint{font-size:.875rem;margin-top:.6rem;overflow-wrap:anywhere}
@media (prefers-reduced-motion:no-preference){#event-list li.new{animation:arrive 1.2s ease-out}@keyframes arrive{from{background:color-mix(in srgb,var(--link) 18%,transparent)}}}
@media (max-width:46rem){
header,main{padding-left:.85rem;padding-right:.85rem}
section,.verdict{padding:.9rem 1rem}
thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
table,caption,tbody,tr,th,td{display:block}
tr{border-top:1px solid var(--line);padding:.6rem 0}
th,td{border:0;padding:.1rem 0}
td{font-variant-numeric:tabular-nums}
td{display:grid;grid-template-columns:8.5rem 1fr;gap:.75rem}
td::before{content:attr(data-name);color:var(--quiet);font-size:.875rem}
td:empty{display:none}
.badge{margin-left:0}
#event-list{max-height:75vh}
#event-list time{display:inline-block;margin-right:.5rem}
}`;
