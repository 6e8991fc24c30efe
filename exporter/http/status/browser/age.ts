/** How long ago something happened, as a person would say it. Runs in the exporter and in the browser. */
export function ageText(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s ago`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ago`;
  return whole < 172_800 ? `${Math.floor(whole / 3600)} h ago` : `${Math.floor(whole / 86_400)} days ago`;
}
